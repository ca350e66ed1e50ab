"""The most resident memory that this process has had."""

from pathlib import Path


def peak_bytes() -> int:
    """Return VmHWM in bytes.

    `getrusage` would do on other systems; on Linux its figure survives exec and so shows the parent's memory.
    """
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
