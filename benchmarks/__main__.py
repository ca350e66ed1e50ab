"""Prints every figure that the documents quote: `python -m benchmarks [--full] [NAME ...]`.

Figures are medians of runs in one go on this machine, with the range; where a peer is named, both were measured in turns.
"""

import sys

from benchmarks import (
    agent_memory,
    cli_start,
    compile_scale,
    deltas,
    device_floor,
    judging,
    pull_request,
    simulate,
    switching,
    worker_start,
)

FIGURES = {
    "cli-start": cli_start.measure,
    "agent-memory": agent_memory.measure,
    "worker-start": worker_start.measure,
    "switching": switching.measure,
    "compile-scale": compile_scale.measure,
    "deltas": deltas.measure,
    "device-floor": device_floor.measure,
    "simulate": simulate.measure,
    "judging": judging.measure,
    "pull-request": pull_request.measure,
}


def main() -> int:
    """Run the benchmarks named on the command line, or all of them."""
    names = [each for each in sys.argv[1:] if each != "--full"] or list(FIGURES)
    unknown = sorted(set(names) - set(FIGURES))
    if unknown:
        print(f"error: no benchmark called {', '.join(unknown)}; there are {', '.join(FIGURES)}", file=sys.stderr)
        return 64
    for name in names:
        print(f"== {name}")
        for line in FIGURES[name]():
            print(line)
    return 0


sys.exit(main())
