"""Limits that a worker process puts on itself before it parses a model. Linux only.

First `confine_worker` or `confine_probe`, before the runtime is loaded; then, with the runtime loaded, no thread beside
the first and no model parsed, `close_world`.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable, Sequence

from ringtide_agent.serve import landlock, seccomp

MAX_OPEN_FILES = 256
"""Connections, model files and the few descriptors of the runtime."""

MAX_WRITTEN_BYTES = 1024 * 1024
"""What a probe may write to its output files: one line and the runtime's complaints."""

BASE_DATA_BYTES = 1024 * 1024 * 1024
"""What a worker may hold beside its releases' budgets: the runtime takes a tenth, four large requests at once half."""

MAX_PATCH_CPU_S = 300
"""A delta of 50 MB takes a tenth of a second to apply."""

RUNTIME_READS = (
    "/usr/lib",
    "/usr/share/zoneinfo",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/urandom",
)
"""What Python, numpy and onnxruntime read beside their own folders."""

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


def confine_patch(parent: int, *, address_space_bytes: int, written_bytes: int) -> None:
    """Confine the process that applies a delta."""
    _confine(signal.SIGKILL, parent)
    _limit(resource.RLIMIT_AS, address_space_bytes)
    _limit(resource.RLIMIT_FSIZE, written_bytes)
    _limit(resource.RLIMIT_CPU, MAX_PATCH_CPU_S)


def close_world(readable: Iterable[str]) -> None:
    """Leave this process nothing but its open descriptors, the runtime's files, and `readable`, to read.

    No new file, connection, program or process, as far as the kernel can forbid it; `lacking` says how far that is.
    """
    landlock.read_only([*RUNTIME_READS, *filter(None, sys.path), *readable])
    seccomp.forbid()


def bound_data(budget_bytes: int) -> int:
    """Let the serving process hold so much beside its base, and return the sum.

    Its releases change, so the bound moves. What is beyond it fails as an inference; a probe has a harder bound of its own.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = BASE_DATA_BYTES + budget_bytes
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    return bound


def lacking() -> Sequence[str]:
    """Say what of the sandbox this kernel cannot do; empty where it can do everything."""
    found = []
    spoken = landlock.version()
    if not spoken:
        found.append("no Landlock: a worker may open every file that the agent's user may")
    elif spoken < landlock.SCOPES_SINCE:
        found.append(f"Landlock {spoken}: a worker may signal processes of the agent's user")
    if not seccomp.available():
        found.append("no seccomp filter: a worker may connect and start programs as far as the service's unit lets it")
    return found


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
