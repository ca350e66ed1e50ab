"""Landlock: this process, and what it starts, may open only what is listed here, and for reading alone. Linux only.

https://docs.kernel.org/userspace-api/landlock.html; no library of it is kept for Python.
"""

import ctypes
import errno
import os
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_EVERY_FILE_RIGHT = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Rights over files by the version that brought the last of them: execute, write, read, remove, make, refer, truncate, ioctl."""
_TCP = (1 << 0) | (1 << 1)
_NETWORK_SINCE = 4
_SIGNALS_AND_ABSTRACT_SOCKETS = (1 << 0) | (1 << 1)
SCOPES_SINCE = 6
"""First version that keeps signals inside."""

_ABSENT = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
"""The kernel has it not, has it switched off, or a filter around this process forbids it."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock that the kernel speaks; 0 for none."""
    try:
        return _call(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError as error:
        if error.errno in _ABSENT:
            return 0
        raise


def read_only(paths: Iterable[str]) -> bool:
    """Let the calling thread, and every thread after it, read beneath `paths`, and touch nothing else.

    No file is written, made, removed or executed; no TCP connection is made or port taken; no process outside is signalled.
    What is open stays usable. It needs no_new_privs and cannot be undone.

    Returns:
        Whether the kernel has Landlock.
    """
    spoken = version()
    if not spoken:
        return False
    files = _EVERY_FILE_RIGHT[max(since for since in _EVERY_FILE_RIGHT if since <= spoken)]
    ruleset = _Ruleset(
        handled_access_fs=files,
        handled_access_net=_TCP if spoken >= _NETWORK_SINCE else 0,
        scoped=_SIGNALS_AND_ABSTRACT_SOCKETS if spoken >= SCOPES_SINCE else 0,
    )
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        for path in paths:
            _allow(rules, path)
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return True


def _allow(rules: int, path: str) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        is_folder = os.path.isdir(f"/proc/self/fd/{place}")  # noqa: PTH112 - of the descriptor, not of the name
        rule = _PathBeneath(allowed_access=_READ_FILE | (_READ_DIR if is_folder else 0), parent_fd=place)
        _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(ctypes.c_long(number), *arguments)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return int(done)
