"""The agent's command line as a process of its own, forked from one that has loaded the program already.

A fork saves the half second that Python needs to load the agent. Turns and first pauses are shortened, since hundreds of tries
would otherwise spend their time asleep, and temporary files get the same names in every run; nothing else differs from
`ringtide-agent`.
"""

import contextlib
import ctypes
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import ringtide_agent.adapters.artifact_fetch
import ringtide_agent.cli.doctor
import ringtide_agent.wiring  # noqa: F401
from ringtide_agent import limits, loop
from ringtide_agent.cli import run_command

END_S = 150.0
"""No try takes longer; past it the process is killed and the try is lost."""

TURN_S, PAUSE_S = 0.1, 0
"""In place of a second between turns, and of five seconds before the first repetition of an act."""

_SAID = "said.txt"

_LIBC = ctypes.CDLL(None)
_SET_TRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1)
"""`PR_SET_PTRACER`: where only ancestors may trace, strace is none."""

_ADDRESS = re.compile(rb"serving on http://([^:\s]+):(\d+)")


class Agent:
    """One run of `ringtide-agent`."""

    def __init__(self, folder: Path, *arguments: str, held: bool = False, pause_s: int = PAUSE_S) -> None:
        """Start it.

        Args:
            folder: For what it says.
            arguments: The command and its options.
            held: Whether it waits for `go`, for a tracer to attach.
            pause_s: Pause before the first repetition of an act.
        """
        self._log = folder / _SAID
        self._log.unlink(missing_ok=True)
        sys.stdout.flush()
        self._ended: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._become(arguments, held=held, pause_s=pause_s)
        if held:
            os.waitpid(self.pid, os.WUNTRACED)

    def hold(self) -> None:
        """Let it stand still."""
        if self.ended() is None:
            os.kill(self.pid, signal.SIGSTOP)

    def go(self) -> None:
        """Let a held process go on."""
        if self.ended() is None:
            os.kill(self.pid, signal.SIGCONT)

    def ended(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status)
        return self._ended

    def wait(self, seconds: float = END_S) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it said."""
        end = time.monotonic() + seconds
        while self.ended() is None:
            if time.monotonic() > end:
                self.kill()
                return -signal.SIGALRM, f"not ended within {seconds:g} s; {self.said()}"
            time.sleep(0.01)
        assert self._ended is not None
        return self._ended, self.said()

    def kill(self) -> None:
        """Kill it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if self._ended is None:
            self._ended = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def stop(self) -> int:
        """Ask it to end."""
        if self.ended() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait(20)[0]

    def said(self) -> str:
        """Return what it has said so far."""
        return self.said_in(self._log.parent)

    @staticmethod
    def said_in(folder: Path) -> str:
        """Return what the last agent of a folder has said."""
        log = folder / _SAID
        return log.read_text(errors="replace") if log.exists() else ""

    def address(self) -> tuple[str, int] | None:
        """Return where it serves, once it has said so."""
        found = _ADDRESS.search(self.said().encode())
        return None if found is None else (found[1].decode(), int(found[2]))

    def _become(self, arguments: tuple[str, ...], *, held: bool, pause_s: int) -> None:
        code = 70
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, to in ((null, 0), (log, 1), (log, 2)):
                os.dup2(source, to)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            loop.TURN_S, limits.BACKOFF_FIRST_S = TURN_S, pause_s
            # Names that are the same in every run: a call is found again by the path that it changes.
            tempfile._name_sequence = map("fault{}".format, itertools.count())  # type: ignore[attr-defined]
            if held:
                _LIBC.prctl(_SET_TRACER, _ANYBODY, 0, 0, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
            code = run_command(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - shown in the log, and the code says it
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Tracer:
    """strace on a held process, its threads and its children: it writes calls down, and breaks one where told."""

    def __init__(
        self,
        agent: Agent,
        out: Path,
        calls: tuple[str, ...],
        *,
        inject: str | None = None,
        paths: tuple[str, ...] = (),
        programs: bool = True,
    ) -> None:
        """Attach, and let the process go.

        Args:
            agent: A held one.
            out: Takes the calls; each line begins with the number of its thread.
            calls: Their names.
            inject: What to do at which of them, counted in each thread by itself.
            paths: Only calls on these are seen and counted; all where there are none.
            programs: Whether it follows the programs that the agent starts: git, workers, what applies a patch. Stopping
                each of their calls takes two thirds of the time.
        """
        words = [
            "strace",
            "-f",
            "-qq",
            "-y",
            "-s",
            "0",
            "-o",
            str(out),
            "-e",
            "signal=none",
            "-e",
            f"trace={','.join(calls)}",
        ]
        words += [word for path in paths for word in ("-P", path)]
        words += [] if programs else ["--detach-on=execve"]
        if inject is not None:
            words += ["-e", f"inject={inject}"]
        self._process = subprocess.Popen([*words, "-p", str(agent.pid)], stderr=subprocess.PIPE)
        status = Path(f"/proc/{agent.pid}/status")
        end = time.monotonic() + 20
        while "TracerPid:\t0" in status.read_text():
            if time.monotonic() > end or self._process.poll() is not None:
                agent.kill()
                raise OSError(f"strace did not attach: {(self._process.stderr or sys.stdin).read()!r}")
            time.sleep(0.002)
        agent.go()

    def end(self) -> None:
        """Leave the children that have outlived the agent to themselves."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
