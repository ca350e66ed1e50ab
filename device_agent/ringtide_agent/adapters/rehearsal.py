"""Lets another version of the agent try itself on this device, in a process of its own: `ringtide-agent self-test`."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from ringtide_agent.adapters.child_process import child_environment, describe_end
from ringtide_agent.ports import ProbeFailure, ProbeResult
from ringtide_agent.serve.control import MAX_TEXT
from ringtide_agent.serve.probe_messages import MAX_ANSWER_BYTES, decode_answer
from ringtide_contract.errors import InputError, TransientError

DEADLINE_S = 480.0
"""All models in turn, each with the prober's own limit; shorter than the watchdog of the unit."""

MEMORY_BYTES = 4 * 1024**3
"""Address space of the process and of each it starts; the trial of a model has the narrower limit of that model."""

NOT_NOW = 75
"""Exit code (EX_TEMPFAIL) of a self-test that could not be made."""


def rehearse(folder: Path, options: tuple[str, ...], *, deadline_s: float = DEADLINE_S) -> ProbeResult:
    """Run the self-test of the version in `folder` with this device's configuration.

    Raises:
        TransientError: It could not be made.
        OSError: It could not be started.
    """
    command = [sys.executable, "-P", "-s", "-m", "ringtide_agent", "self-test", *options]
    own = {name: text for name, text in os.environ.items() if name.startswith("RINGTIDE_AGENT_")}
    environment = {**child_environment(), **own, "PYTHONPATH": str(folder)}
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd="/", start_new_session=True
        ) as process,
    ):
        try:
            for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, MAX_ANSWER_BYTES)):
                resource.prlimit(process.pid, kind, (most, most))
            returncode: int | None = process.wait(deadline_s)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            returncode = process.poll()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return _judge(returncode, _read(out), _read(err), deadline_s)


def _judge(returncode: int | None, out: bytes, err: bytes, deadline_s: float) -> ProbeResult:
    if returncode is None:
        return _failed("budget", f"the self-test did not end within {deadline_s:g} s")
    if returncode == -signal.SIGKILL:
        return _failed("budget", "the self-test was killed (SIGKILL), as happens where memory runs out")
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
    if returncode == NOT_NOW:
        raise TransientError(f"the self-test could not be made: {last[0][:MAX_TEXT]}")
    try:
        answer = decode_answer(out)
    except InputError:
        return _failed("load", f"the self-test {describe_end(returncode)}: {last[0][:MAX_TEXT]}")
    return ProbeResult(failure=answer.failure, note=answer.note, p95_latency_us=None, peak_memory_bytes=None)


def _failed(step: ProbeFailure, note: str) -> ProbeResult:
    return ProbeResult(failure=step, note=note, p95_latency_us=None, peak_memory_bytes=None)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(MAX_ANSWER_BYTES)
