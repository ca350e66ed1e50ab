"""What a pull request waits for: check and plan of a large fleet and of a small one, and other programs on the same.

`--full` measures the fleet whose figures the documents quote.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from benchmarks.big_fleet import base_files, pull_request, rules
from benchmarks.fresh import run, said, write_repository
from benchmarks.peers import against_checkov, against_rego
from fakes.fleet_files import fleet_files

SMALL_ROUNDS = 9
SMALL_DEVICES = 8
"""Twenty files in all."""


def measure() -> Iterator[str]:
    """Yield the figures."""
    full = "--full" in sys.argv
    devices, releases, peers, rounds = (50_000, 200, 1_000, 3) if full else (10_000, 200, 200, 1)
    ringtide = [sys.executable, "-m", "ringtide_engine.cli"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base = base_files(devices, releases)
        large, small = folder / "large", folder / "small"
        write_repository(large, [base, pull_request(base)])
        yield f"{devices:,} devices, {releases} releases, {len(rules())} rules, 3 changes"
        check = [*ringtide, "check", str(large), "--base", "main"]
        plan = [*ringtide, "plan", "--fleet", str(large), "--base", "main"]
        checks, plans = [], []
        for _ in range(rounds):
            checks.append(run(check))
            plans.append(run(plan))
        yield said("check --base main", checks)
        yield said("plan --base main", plans)
        yield "  limit              10.00 s and 1024 MiB for plan"
        write_repository(small, [fleet_files(SMALL_DEVICES)])
        count = sum(each.is_file() for each in small.rglob("*.*") if ".git" not in each.parts)
        runs = [run([*ringtide, "check", str(small)]) for _ in range(SMALL_ROUNDS)]
        yield f"a fleet of {count} files"
        yield said("check", runs)
        yield "  limit               1.00 s"
        few = base_files(600, peers)
        yield from against_rego(_releases(few), rounds)
        yield from against_checkov(folder, few, rounds)


def _releases(files: Mapping[str, bytes]) -> list[Mapping[str, object]]:
    return [yaml.safe_load(content) for path, content in files.items() if path.startswith("models/")]
