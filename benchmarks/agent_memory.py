"""How much memory the supervisor holds, and that numpy is not in it."""

import subprocess
import sys
from collections.abc import Iterator

_PROGRAM = """
import sys
import ringtide_agent.wiring
size = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
heavy = [name for name in ("numpy", "onnxruntime", "git", "paho") if name in sys.modules]
print(int(size.split()[1]) / 1024, ",".join(heavy) or "none")
"""


def measure() -> Iterator[str]:
    """Yield the figures."""
    bare = _run(
        "print(int(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1]) / 1024, '-')"
    )
    wired = _run(_PROGRAM)
    yield f"bare interpreter         {float(bare[0]):5.1f} MiB resident"
    yield f"supervisor, all imported {float(wired[0]):5.1f} MiB resident; heavy modules loaded: {wired[1]}"
    yield "limit                     60.0 MiB; `ringtide demo -o json` prints the peak of the running agents"


def _run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.split()
