"""One running worker process: started with the listening socket, asked over the control channel, ended."""

import os
import socket
import subprocess
from collections.abc import Sequence
from itertools import chain
from time import monotonic

from ringtide_agent.adapters.child_process import child_environment, describe_end
from ringtide_agent.serve.control import MAX_LINE_BYTES, Answer, Count, Shape, WantedModel, decode_answer, encode_line
from ringtide_contract.errors import InputError, TransientError

END_S = 12.0
"""The worker finishes what is in flight for 5 s and gives itself up after 10."""


class RunningWorker:
    """A worker process and the supervisor's end of its control channel.

    The system ends the worker when the thread that started it ends, so start it from a thread that stays.
    """

    def __init__(
        self, command: Sequence[str], listener: socket.socket, session: str, readable: Sequence[str] = ("/",)
    ) -> None:
        """Start the process.

        Raises:
            TransientError: The process could not be started.
        """
        self.session = session
        self.started_at = monotonic()
        self._number = 0
        self._received = bytearray()
        ours, theirs = socket.socketpair()
        arguments = {
            "--listen-fd": str(listener.fileno()),
            "--control-fd": str(theirs.fileno()),
            "--session": session,
            "--parent": str(os.getpid()),
        }
        try:
            self._process = subprocess.Popen(
                (*command, *chain.from_iterable(arguments.items()), *(f"--readable={folder}" for folder in readable)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(listener.fileno(), theirs.fileno()),
                env=child_environment(),
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise TransientError(f"the worker could not be started: {error.strerror}") from error
        finally:
            theirs.close()
        self._channel = ours

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ended(self) -> str | None:
        """Say how the process ended; None while it runs."""
        code = self._process.poll()
        return None if code is None else describe_end(code)

    def shape(self, models: Sequence[WantedModel], timeout_s: float) -> Answer:
        """Ask it to serve exactly `models`.

        Raises:
            TransientError: No answer in time, or the process has ended.
        """
        self._number += 1
        return self._ask(Shape(number=self._number, models=tuple(models)), timeout_s)

    def count(self, timeout_s: float) -> Answer:
        """Ask it what it counted.

        Raises:
            TransientError: No answer in time, or the process has ended.
        """
        self._number += 1
        return self._ask(Count(number=self._number), timeout_s)

    def end(self) -> None:
        """Let it finish what is in flight, then end it."""
        self._channel.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _ask(self, command: Shape | Count, timeout_s: float) -> Answer:
        deadline = monotonic() + timeout_s
        try:
            self._channel.settimeout(timeout_s)
            self._channel.sendall(encode_line(command))
            while (answer := decode_answer(self._read_line(deadline))).number != command.number:
                pass  # the late answer to an earlier question
        except TimeoutError as error:
            raise TransientError(f"the worker did not answer within {timeout_s:g} s") from error
        except (OSError, InputError) as error:
            # It closed the channel, or speaks nonsense: either way this process is of no more use.
            self.kill()
            raise TransientError(f"the worker {self.ended()} ({error})") from error
        return answer

    def _read_line(self, deadline: float) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(left)
            chunk = self._channel.recv(256 * 1024)
            if not chunk:
                self._wait_for_end()
                raise ConnectionResetError("it closed the control channel")
            self._received += chunk
            if len(self._received) > MAX_LINE_BYTES:
                raise InputError("an endless answer")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _wait_for_end(self) -> None:
        """Give a dying process the moment it needs, or `kill` would hide how it really ended."""
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return
