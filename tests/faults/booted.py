"""The package on devices that boot: a row of the table for `make system`, whose steps it tries where there is time."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome
from faults.nspawn_device import lacking

FAULT = "package on booted devices: rings, kill, watchdog, no network, upgrade, removal"
MOST_S = 1800


def rows(bench: Bench) -> Iterator[Row]:
    """One row; a step that is not printed was not survived."""
    why = lacking() or ("" if bench.full else "takes five minutes of its own: `make system`, or `make faults-full`")
    if why:
        yield Row(fault=FAULT, skipped=why)
        return
    begin = time.monotonic()
    test = Path(__file__).with_name("test_system.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-q", str(test)],
        env={**os.environ, "RINGTIDE_SYSTEM": "1"}, cwd=test.parents[2], timeout=MOST_S,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    steps = len(re.findall(r"(?m)^ *\d+\.\d s  ", done.stdout))
    seconds = time.monotonic() - begin
    outcome = Outcome(point="make system", losses=(done.stdout[-2000:],), seconds=seconds)
    lost = () if done.returncode == 0 else (outcome,)
    yield Row(fault=FAULT, tried=steps + len(lost), losses=lost, seconds=seconds)
