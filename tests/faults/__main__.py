"""`make faults`: everything that this machine allows, one table, and an exit code that is not 0 after any loss."""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from faults import booted, chaos, clock_steps, network, partition, power_cut, soak, store, system_calls, workers
from faults.bench import Bench, Row, table
from faults.laws import prepared
from faults.scene import Scene

SEED = 20261123

CI_S = 480
"""Without `--full`, for everything; a row that is under way is finished."""

FAULTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "system-calls": system_calls.rows,
    "power": power_cut.rows,
    "store": store.rows,
    "workers": workers.rows,
    "clock": clock_steps.rows,
    "network": network.rows,
    "partition": partition.rows,
    "chaos": chaos.rows,
    "soak": soak.rows,
    "booted": booted.rows,
}
"""What there is, in the order of the table."""


def main() -> int:
    """Try everything; print as it goes, the table last."""
    options = _options()
    os.environ["PYTHONHASHSEED"] = "0"
    begin = time.monotonic()
    logging.getLogger("ringtide").setLevel(logging.ERROR)  # in this process: the devices of the soak say much
    print(f"faults: seed {options.seed}, {'every point' if options.full else 'as many points as ten minutes allow'}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ringtide-faults-", ignore_cleanup_errors=True) as there:
        folder = Path(there)
        scene = Scene(folder=folder / "scene")
        bench = Bench(
            scene=scene,
            update=prepared(scene.update, folder / "update"),
            folder=folder,
            seed=options.seed,
            full=options.full,
            workers=options.workers,
            end=begin + CI_S,
        )
        for name in options.only or FAULTS:
            for row in FAULTS[name](bench):
                rows.append(row)
                counted = f"{row.tried - len(row.losses)} of {row.tried} in {row.seconds:.0f} s"
                print(f"{row.fault}: {row.skipped or counted}", flush=True)
                for point in row.missed:
                    print(f"  not reached: {point}", flush=True)
                for outcome in row.losses:
                    print(f"  LOST {outcome.point}: {'; '.join(outcome.losses)}", flush=True)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{table(rows)}\n{time.monotonic() - begin:.0f} s in all; load average {load} on {os.cpu_count()} cores")
    return int(any(row.is_lost for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every point, however long it takes")
    parser.add_argument("--seed", type=int, default=SEED, help="chooses the points where not all are tried")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), help="tries at one time")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="one kind of fault; repeatable")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
