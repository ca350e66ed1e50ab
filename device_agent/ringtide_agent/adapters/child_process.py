"""What the worker processes are started with: a small, quiet environment, and this installation on their path."""

import os
import signal
from pathlib import Path

import ringtide_agent
import ringtide_contract

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TZ", "TMPDIR")


def child_environment() -> dict[str, str]:
    """Return the environment of a child that loads models; no secret of the supervisor's is in it."""
    roots = [str(Path(str(package.__file__)).parent.parent) for package in (ringtide_agent, ringtide_contract)]
    path = [*dict.fromkeys(roots), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PYTHONPATH": os.pathsep.join(path),
        "LANG": "C.UTF-8",
        "ORT_DISABLE_TELEMETRY": "1",
        "OPENBLAS_NUM_THREADS": "1",  # numpy only converts here; its threads would cost memory for nothing
        "MALLOC_ARENA_MAX": "2",  # an arena for each thread keeps what its largest request needed
    }


def describe_end(returncode: int) -> str:
    """Say how a process ended: `ended with signal SIGSEGV`, `ended with code 1`."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    try:
        return f"ended with signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"ended with signal {-returncode}"
