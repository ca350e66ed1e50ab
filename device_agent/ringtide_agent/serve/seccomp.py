"""A seccomp filter: system calls that no inference makes fail with EPERM, in every thread. Linux only.

A list of what is forbidden, not of what is allowed: the runtime's own calls change with its versions, and a device that stops
serving after an upgrade is worse off. The one binding to libseccomp for Python needs a system library and rests since 2020.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _GET_ACTION_AVAIL, _ALL_THREADS = 1, 2, 1
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x00010000

FORBIDDEN: Mapping[str, tuple[int, int]] = {
    # A way out: another program, another process, a new connection.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, -1),
    "vfork": (58, -1),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "io_uring_setup": (425, 425),  # its requests pass by every filter
    # Into other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    # Rights of files, which Landlock leaves alone.
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "utimensat": (280, 88),
    # The system, and the parts of the kernel that break-outs come through.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
}
"""System call to its numbers on x86_64 and aarch64; -1 where it has none there."""

_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def available() -> bool:
    """Tell whether the kernel filters system calls, and this machine is one whose numbers are known here."""
    machine = platform.machine()
    if machine not in _SECCOMP:
        return False
    action = ctypes.c_uint32(_ERRNO)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(ctypes.c_long(_SECCOMP[machine]), _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def forbid() -> bool:
    """Forbid what `FORBIDDEN` lists, and new processes, in all threads of this process. It needs no_new_privs.

    Returns:
        Whether the kernel could.
    """
    if not available():
        return False
    machine = platform.machine()
    code = program(machine)
    held = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(_SECCOMP[machine]), _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(held)):
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    return True


def program(machine: str) -> bytes:
    """Return the filter for a machine."""
    column = 0 if machine == "x86_64" else 1
    numbers = sorted({both[column] for both in FORBIDDEN.values()} - {-1})
    refuse = _ERRNO | errno.EPERM
    lines = [
        _line(_LOAD, _ARCH),
        _line(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _line(_RETURN, _KILL_PROCESS),  # the numbers of another architecture mean other calls
        _line(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        lines += [_line(_AT_LEAST, _X32, 0, 1), _line(_RETURN, refuse)]
    lines += [_line(_EQUAL, _CLONE3, 0, 1), _line(_RETURN, _ERRNO | errno.ENOSYS)]  # libc then uses clone
    for number in numbers:
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, refuse)]
    lines += [
        _line(_EQUAL, _CLONE[machine], 0, 3),
        _line(_LOAD, _FIRST_ARGUMENT),
        _line(_BITS, _CLONE_THREAD, 1, 0),
        _line(_RETURN, refuse),
        _line(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
