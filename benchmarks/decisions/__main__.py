"""Prints the table: `python -m benchmarks.decisions [--full] [--runs N] [--scenario TEXT]`."""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from benchmarks.decisions.course import Course, Rule
from benchmarks.decisions.ours import Ringtide
from benchmarks.decisions.peers import ArgoRollouts, AwsIotJobs, Flagger, FlightControl, HawkBit, Kayenta
from benchmarks.decisions.world import HORIZON, LARGE, SCENARIOS, TICK_HOURS, Scenario, fleets, tick

BATCH = 200 * 600
"""Devices simulated at once: what fits the caches."""

SEED = 20261123

FALSE_STOPS = 0.01
"""Peers are tuned to this share of false roll backs where the candidate changes nothing."""

TUNABLE: dict[type, tuple[float, ...]] = {
    FlightControl: (0.80, 0.85, 0.90, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99),
    HawkBit: (0.20, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01),
    AwsIotJobs: (0.20, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01),
    ArgoRollouts: (0.90, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98, 0.983, 0.985, 0.987, 0.989),
    Flagger: (0.90, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98, 0.983, 0.985, 0.987, 0.989),
    Kayenta: (4.5, 4.0, 3.5, 3.2, 3.0, 2.8, 2.6, 2.326, 2.0),
}
"""Thresholds from lax to strict, of which the strictest within `FALSE_STOPS` is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the runs of one scenario ended under one rule."""

    rule: str
    """The rule."""
    harmed: float
    """Devices harmed on average."""
    spread: float
    """Half the width of its 95 % interval."""
    stopped: float
    """Share of runs rolled back."""
    completed: float
    """Share of runs completed within the horizon."""
    adoption: float
    """Median hours until 80 % of the fleet had the candidate; infinite where most never did."""
    runs: int
    """Runs."""


def play(scenario: Scenario, rules: Sequence[Rule], runs: int, seed: int) -> list[Result]:
    """Let every rule see the same fleets and the same requests."""
    size = max(1, min(runs, BATCH // scenario.devices))
    harmed: list[list[np.ndarray]] = [[] for _ in rules]
    stopped: list[list[np.ndarray]] = [[] for _ in rules]
    completed: list[list[np.ndarray]] = [[] for _ in rules]
    adopted: list[list[np.ndarray]] = [[] for _ in rules]
    for batch in range(0, runs, size):
        chance = np.random.default_rng([seed, batch])
        fleet = fleets(scenario, min(size, runs - batch), chance)
        courses = [Course.start(scenario, fleet) for _ in rules]
        for rule, course in zip(rules, courses, strict=True):
            rule.begin(course)
        for number in range(HORIZON):
            drawn = tick(scenario, fleet, number, chance)
            for rule, course in zip(rules, courses, strict=True):
                if (course.ended < 0).any():
                    course.live(number, drawn, np.random.default_rng([seed, batch, number]))
                    course.obey(rule.decide(course))
            if not any((course.ended < 0).any() for course in courses):
                break
        for place, course in enumerate(courses):
            harmed[place].append(course.harmed())
            stopped[place].append(course.rolled_back)
            completed[place].append((course.ended >= 0) & ~course.rolled_back)
            adopted[place].append(course.adopted(0.8) * TICK_HOURS)
    return [
        _result(rule.name, *(np.concatenate(each[place]) for each in (harmed, stopped, completed, adopted)))
        for place, rule in enumerate(rules)
    ]


def _result(name: str, harmed: np.ndarray, stopped: np.ndarray, completed: np.ndarray, adopted: np.ndarray) -> Result:
    runs = len(harmed)
    return Result(
        rule=name,
        harmed=float(harmed.mean()),
        spread=1.96 * float(harmed.std()) / math.sqrt(runs),
        stopped=float(stopped.mean()),
        completed=float(completed.mean()),
        adoption=float(np.median(adopted)),
        runs=runs,
    )


def documented() -> list[Rule]:
    """Return the peers with their documented values."""
    return [FlightControl(), HawkBit(), AwsIotJobs(), ArgoRollouts(), Flagger(), Kayenta()]


def tuned(scenario: Scenario, runs: int, seed: int) -> list[Rule]:
    """Return the peers, each as strict as its false roll backs allow in a fleet where the candidate changes nothing."""
    calm = replace(scenario, name="", fails=0.0, factor=1.0, creeping=0.0, incident=None, only=None, onset=0)
    return list(_tuned(calm, runs, seed))


@cache
def _tuned(calm: Scenario, runs: int, seed: int) -> tuple[Rule, ...]:
    chosen: list[Rule] = []
    for kind, thresholds in TUNABLE.items():
        candidates = [kind(name=f"{kind().name}, tuned", threshold=threshold) for threshold in thresholds]
        results = play(calm, candidates, runs, seed)
        allowed = [one for one, result in zip(candidates, results, strict=True) if result.stopped <= FALSE_STOPS]
        chosen.append(allowed[-1] if allowed else candidates[0])
    return tuple(chosen)


def table(scenario: Scenario, results: Sequence[Result]) -> Iterator[str]:
    """Write the results of one scenario."""
    what = "harmful" if scenario.is_harmful else "harmless"
    yield f"\n{scenario.name} ({what}; {scenario.devices:,} devices, {results[0].runs:,} runs)"
    yield f"  {'rule':24} {'harmed':>16} {'rolled back':>12} {'completed':>10} {'80 % after':>11}"
    for each in results:
        hours = "never" if math.isinf(each.adoption) else f"{each.adoption:.0f} h"
        harmed = f"{each.harmed:8.1f} ± {each.spread:5.1f}"
        yield f"  {each.rule:24} {harmed:>16} {each.stopped:>11.1%} {each.completed:>10.1%} {hours:>11}"


def verdict(scenario: Scenario, results: Sequence[Result], peers: Sequence[Result]) -> tuple[str, bool, bool]:
    """Compare ours with the best tuned peer: fewest devices harmed, or, where nothing is wrong, fewest false stops."""
    ours, best = results[0], min(peers, key=lambda each: each.harmed)
    if not scenario.is_harmful:
        least = min(each.stopped for each in peers)
        said = f"{scenario.name}: false roll backs {ours.stopped:.1%}; peers {least:.1%} to {max(p.stopped for p in peers):.1%}"
        return said, ours.stopped <= max(0.02, least), ours.stopped <= least
    noise = ours.spread + best.spread
    said = f"{scenario.name}: harmed {ours.harmed:.1f}, best tuned peer {best.harmed:.1f} ({best.rule})"
    said = f"{said}, {ours.harmed / max(best.harmed, 1e-9):.2f} times"
    return said, ours.harmed <= 1.2 * best.harmed + noise, ours.harmed <= best.harmed + noise


def main() -> int:
    """Play all scenarios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--full", action="store_true", help="4,000 runs each, 200 of the large fleets")
    parser.add_argument("--runs", type=int, default=200, help="runs of each scenario (200)")
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this")
    given = parser.parse_args()
    runs, large = (4000, 200) if given.full else (given.runs, max(1, given.runs // 100))
    began, summary = time.monotonic(), []
    for scenario in (*SCENARIOS, *LARGE):
        if given.scenario not in scenario.name:
            continue
        count = large if scenario in LARGE else runs
        strict = tuned(scenario, max(count, 20 if scenario in LARGE else 200), SEED + 1)
        results = play(scenario, [Ringtide(), *documented(), *strict], count, SEED)
        print("\n".join(table(scenario, results)), flush=True)
        summary.append(verdict(scenario, results, results[1 + len(documented()) :]))
    print("\nAgainst the best of the tuned peers")
    for said, close, best in summary:
        print(f"  {'fewest' if best else 'within 1.2' if close else 'MORE  '}  {said}")
    print(f"\nfewest or equal in {sum(best for _, _, best in summary)} of {len(summary)} scenarios")
    print(f"{time.monotonic() - began:.0f} s, seed {SEED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
