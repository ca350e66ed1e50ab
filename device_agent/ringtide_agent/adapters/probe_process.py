"""Tries a release in a process of its own, which gets limits, a deadline, and no second chance."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

from ringtide_agent.adapters.child_process import child_environment, describe_end
from ringtide_agent.ports import ProbeFailure, ProbeResult, ServedRelease
from ringtide_agent.serve.control import MAX_TEXT, LoadableRelease
from ringtide_agent.serve.probe_messages import MAX_ANSWER_BYTES, decode_answer, encode_request
from ringtide_contract.errors import InputError, TransientError

DEADLINE_S = 120.0
"""Load, golden set and 65 inferences; a model that needs more would hold up the device's other work."""

COMMAND = (sys.executable, "-P", "-m", "ringtide_agent.serve.probe")


class ProbeProcess:
    """The `Prober` of a device."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, command: Sequence[str] = COMMAND) -> None:
        """Give every trial `deadline_s` seconds; `command` is the program that makes it."""
        self._deadline_s, self._command = deadline_s, tuple(command)

    def probe(self, release: ServedRelease) -> ProbeResult:
        """Load it, ask it the golden questions, measure latency and memory.

        Raises:
            TransientError: The trial could not be made.
        """
        loadable = LoadableRelease(digest=release.digest, manifest=release.manifest, files=release.files)
        # Files and not pipes: the child bounds what it writes to a file, and reading stays bounded here.
        try:
            with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
                returncode = self._run(encode_request(loadable), out, err)
                return _judge_end(returncode, _read(out), _read(err), self._deadline_s)
        except OSError as error:
            raise TransientError(f"the probe could not be started: {error.strerror}") from error

    def _run(self, request: bytes, out: IO[bytes], err: IO[bytes]) -> int | None:
        """Return the exit code, or None where the deadline passed."""
        with subprocess.Popen(
            (*self._command, "--parent", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            env=child_environment(),
            cwd="/",
        ) as process:
            try:
                process.communicate(request, timeout=self._deadline_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
            except BaseException:
                process.kill()
                raise
            return process.returncode


def _judge_end(returncode: int | None, out: bytes, err: bytes, deadline_s: float) -> ProbeResult:
    if returncode is None:
        return _failed("budget", f"the trial did not end within {deadline_s:g} s")
    if returncode == -signal.SIGKILL:
        return _failed("budget", "the probing process was killed (SIGKILL), as happens where memory runs out")
    if returncode < 0:
        return _failed("load", f"the probing process {describe_end(returncode)}")
    try:
        answer = decode_answer(out)
    except InputError as error:
        last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise TransientError(f"the probe {describe_end(returncode)} without a result: {last[0][:MAX_TEXT]}") from error
    return ProbeResult(
        failure=answer.failure,
        note=answer.note,
        p95_latency_us=answer.p95_latency_us,
        peak_memory_bytes=answer.peak_memory_bytes,
    )


def _failed(step: ProbeFailure, note: str) -> ProbeResult:
    return ProbeResult(failure=step, note=note, p95_latency_us=None, peak_memory_bytes=None)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(MAX_ANSWER_BYTES)
