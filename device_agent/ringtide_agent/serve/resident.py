"""The memory of this process: the most that was resident, and what it holds."""

import os
from pathlib import Path


def peak_bytes() -> int:
    """Return VmHWM in bytes.

    `getrusage` would do on other systems; on Linux its figure survives exec and so shows the parent's memory.
    """
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def data_bytes() -> int:
    """Return what counts against RLIMIT_DATA: private memory that this process may write, resident or not."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")
