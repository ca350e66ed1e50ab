"""The benchmark of decisions plays many runs at once: its formulae are the judge's."""

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from benchmarks.decisions import ours
from benchmarks.decisions.course import Course
from benchmarks.decisions.world import SCENARIOS, fleets, tick

from fakes.judged_rollouts import gate
from ringtide_engine.judge import proof
from ringtide_engine.model.betting import rounded
from ringtide_engine.model.spans import Span

SCENARIO = next(each for each in SCENARIOS if each.name == "twice the errors")


@pytest.fixture(scope="module")
def played() -> tuple[Course, ours.Ringtide]:
    """Return twelve runs in the middle of their canary."""
    chance = np.random.default_rng(7)
    fleet = fleets(SCENARIO, 12, chance)
    course, rule = Course.start(SCENARIO, fleet), ours.Ringtide()
    rule.begin(course)
    for number in range(9):
        course.live(number, tick(SCENARIO, fleet, number, chance), chance)
        rule.decide(course)
    return course, rule


@pytest.mark.parametrize("metric", ["failed", "slow"])
def test_the_wealth_against_the_control_is_the_judges(played: tuple[Course, ours.Ringtide], metric: str) -> None:
    course, rule = played
    own, control = rule._own, rule._control[0]
    exposed, pairs = course.fleet.pairs[0]
    margin = ours.MARGINS[metric]
    mine = ours._log_wealth_of_worse(course, own, control, exposed, pairs, metric, margin)
    named = "inferenceSuccess" if metric == "failed" else "p95Latency"
    compared = replace(gate(named, "noWorseThanControl", "0"), assurance="proven", limit=Fraction(str(margin)))
    for run in range(len(exposed)):
        groups = []
        for stratum in range(3):
            spans = []
            for number in range(8):
                differences: Counter[int] = Counter()
                for one, other in zip(exposed[run], pairs[run], strict=True):
                    if one < 0 or course.fleet.stratum[one] != stratum:
                        continue
                    a, b = own.scores[metric][run, one, number], control.scores[metric][run, other, number]
                    if not (np.isnan(a) or np.isnan(b)):
                        apart = a - b
                        exact = rounded(round(abs(apart) * 10**12), 10**12)
                        differences[exact if apart >= 0 else -exact] += 1
                kept = {"failed_pairs": {}, "slow_pairs": {}, f"{metric}_pairs": differences}
                spans.append(Span(failed={}, slow={}, disagreed={}, drifted={}, **kept))
            groups.append([proof._pairs_of(compared, span) for span in spans])
        assert mine[run] == pytest.approx(proof._log_wealth_of_worse(compared, groups), abs=1e-6)


def test_rounding_is_the_judges() -> None:
    shares = np.array([0, 1e-7, 3.3e-5, 0.0123456, 0.5, -0.0123456])
    assert ours.rounded(shares).tolist() == [0, 1, 33, 12_000, 500_000, -12_000]


def test_pairs_are_of_one_stratum_and_of_both_arms() -> None:
    fleet = fleets(SCENARIO, 5, np.random.default_rng(1))
    for ring, (exposed, control) in enumerate(fleet.pairs):
        run, place = np.nonzero(exposed >= 0)
        one, other = exposed[run, place], control[run, place]
        assert len(one) > 20
        assert (fleet.stratum[one] == fleet.stratum[other]).all()
        assert (fleet.ring[run, one] == ring).all()
        assert fleet.control[run, other].all()
        for each in range(5):
            assert len(set(one[run == each])) == len(one[run == each])


def test_a_fair_coin_is_not_convicted() -> None:
    tosses = np.random.default_rng(3).random((2000, 60)) < 0.5
    wins, losses = tosses.cumsum(1), (~tosses).cumsum(1)
    most = np.stack([ours._over_spans(wins[:, [place] * 8], losses[:, [place] * 8]) for place in range(60)]).max(0)
    assert (most >= -math.log(0.01)).mean() <= 0.01
