"""How long `--help` takes, beside the bare interpreter, with byte code in place."""

import compileall
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROUNDS = 15
ROOT = Path(__file__).resolve().parents[1]


def measure() -> Iterator[str]:
    """Yield the figures."""
    for root in ("contract", "engine", "device_agent"):
        compileall.compile_dir(ROOT / root, quiet=2)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "ringtide --help": [sys.executable, "-m", "ringtide_engine.cli", "--help"],
        "ringtide-agent --help": [sys.executable, "-m", "ringtide_agent", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(_milliseconds(command))
    bare = statistics.median(times["python -c pass"])
    for name, measured in times.items():
        middle = statistics.median(measured)
        yield (
            f"{name:<24} {middle:6.0f} ms  ({min(measured):.0f} to {max(measured):.0f}, {ROUNDS} runs)"
            f"  {middle / bare:.1f} x the interpreter"
        )
    yield "limit                       150 ms"


def _milliseconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000
