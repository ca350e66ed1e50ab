"""A delta applied in a process of its own, which gets limits, a deadline, and files that are open already."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ringtide_agent.adapters.child_process import child_environment, describe_end

DEADLINE_S = 600.0
"""Decoding 50 MB takes a tenth of a second; a device that needs minutes has something better to do."""

OWN_BYTES = 32 * 1024 * 1024
"""What the process takes beside the files."""

_STEP_S = 0.25
_MOST_SAID = 200


class PatchError(Exception):
    """The delta was of no use."""


def memory_bytes(base_bytes: int, size_bytes: int) -> int:
    """Return what it takes to make a file of `size_bytes`: the base twice while it is read, then both files."""
    return base_bytes + max(base_bytes, size_bytes) + OWN_BYTES


def patch(base: Path, delta: Path, made: Path, size_bytes: int, beat: Callable[[], None]) -> None:
    """Make a file of `size_bytes` of a base and a delta; whether it is the right one, its digest says.

    An earlier `made` is unlinked first: a process that outlived its agent writes to what nobody reads.

    Raises:
        PatchError: It did not work; what `made` holds is of no use.
        OSError: A file cannot be opened.
    """
    made.unlink(missing_ok=True)
    command = (sys.executable, "-P", "-m", "ringtide_agent.adapters.patch_child", str(base), str(size_bytes))
    with (
        delta.open("rb") as given,
        made.open("xb") as taken,
        subprocess.Popen(
            (*command, str(os.getpid())),
            stdin=given,
            stdout=taken,
            stderr=subprocess.PIPE,
            env=child_environment(),
            cwd="/",
        ) as process,
    ):
        try:
            _wait(process, beat)
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read(64 * 1024).decode("utf-8", "replace").strip() if process.stderr else ""
    if process.returncode != 0:
        why = said.splitlines()[-1][:_MOST_SAID] if said else "it said nothing"
        raise PatchError(f"applying it {describe_end(process.returncode)}: {why}")


def _wait(process: subprocess.Popen[bytes], beat: Callable[[], None]) -> None:
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            beat()
        else:
            return
        if time.monotonic() > end:
            raise PatchError(f"applying it took longer than {DEADLINE_S:g} s")
