"""Limits that a worker process puts on itself before it parses a model. Linux only."""

import ctypes
import os
import resource
import signal
import sys

MAX_OPEN_FILES = 256
"""Connections, model files and the few descriptors of the runtime."""

MAX_WRITTEN_BYTES = 1024 * 1024
"""What a probe may write to its output files: one line and the runtime's complaints."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine_worker(parent: int) -> None:
    """Confine the serving process; when the parent dies it gets SIGTERM, on which it finishes what is in flight."""
    _confine(signal.SIGTERM, parent)


def confine_probe(parent: int, address_space_bytes: int) -> None:
    """Confine the probing process, which may also be bounded in memory because nothing depends on it."""
    _confine(signal.SIGKILL, parent)
    _limit(resource.RLIMIT_AS, address_space_bytes)
    _limit(resource.RLIMIT_FSIZE, MAX_WRITTEN_BYTES)


def _confine(at_death_of_parent: signal.Signals, parent: int) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, at_death_of_parent)
    if os.getppid() != parent:  # it died before the signal was asked for
        sys.exit("the supervisor is gone")


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bounded, bounded))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")
