"""How the compiler grows with the fleet: load, resolve and compile, each device listed once."""

import resource
import statistics
import time
from collections.abc import Iterator

from fakes.fleet_files import fleet_files
from ringtide_engine.compile.tree import compile_tree
from ringtide_engine.load.desired import load_desired
from ringtide_engine.resolve.state import resolve

SIZES = (1_000, 10_000)
ROUNDS = 3


def measure() -> Iterator[str]:
    """Yield the figures."""
    per_device: dict[int, float] = {}
    for size in SIZES:
        files, times, tree = fleet_files(size, rollout="1.1.0"), [], None
        for _ in range(ROUNDS):
            started = time.process_time()
            state = load_desired(files).state
            if state is None:
                raise RuntimeError("the fleet of the benchmark has findings")
            tree = compile_tree(state, resolve(state), None)
            times.append(time.process_time() - started)
        per_device[size] = statistics.median(times) / size
        count = len(tree.files) if tree else 0
        yield f"{size:>7,} devices  {statistics.median(times):6.2f} s CPU  {count:>5} files"
    low, high = SIZES
    yield f"time per device at {high:,} against {low:,}: {per_device[high] / per_device[low]:.2f} x (1 is linear)"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"peak memory of this process {peak:.0f} MiB"
