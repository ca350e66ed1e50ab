"""Hard failures: a few devices are broken in any fleet, and no candidate answers for them."""

from dataclasses import replace
from fractions import Fraction

import pytest

from fakes.judged_rollouts import HOUR, confirmed, plan, reverted, ring, started
from ringtide_engine.model.binomial import tail


def exact(failures: int, devices: int, rate: Fraction) -> float:
    ways, below = 1, Fraction(0)
    for count in range(failures):
        below += ways * rate**count * (1 - rate) ** (devices - count)
        ways = ways * (devices - count) // (count + 1)
    return float(1 - below)


@pytest.mark.parametrize(
    ("failures", "devices"), [(0, 5), (1, 5), (5, 5), (6, 5), (2, 30), (4, 150), (1, 150), (9, 600)]
)
def test_the_tail_is_exact(failures, devices):
    assert tail(failures, devices, 0.005) == pytest.approx(exact(failures, devices, Fraction(1, 200)))


def test_the_tail_keeps_its_figures_for_a_million_devices():
    assert 0.4 < tail(5000, 1_000_000, 0.005) < 0.6
    assert tail(5300, 1_000_000, 0.005) < 1e-4


@pytest.mark.parametrize(("failed", "kind"), [(1, "hold"), (3, "hold"), (6, "rollBack")])
def test_so_many_devices_must_fail_as_broken_ones_do_not_explain(failed, kind):
    """Of 120 devices one in 200 is broken by habit: three may be so by chance, six are the candidate's doing."""
    rings = (ring("canary", "1/4", gates=()), ring("rest", "1", gates=()))
    world = started(480, ring_plan=plan(*rings)).later(HOUR)
    ordered = sorted(world.subjects("canary"), key=lambda each: (each.bucket, each.stratum))
    names = [each.device for each in ordered]  # by chance, so that no stratum has them all
    assert 110 < len(names) < 130
    world = world.heard(reverted, only=names[:failed]).heard(confirmed, only=names[failed:])
    assert world.verdict().kind == kind


def test_a_plan_may_tolerate_none():
    rings = (ring("canary", "1/4", gates=()), ring("rest", "1", gates=()))
    strict = replace(plan(*rings), hard_failures=Fraction(0))
    world = started(480, ring_plan=strict).later(HOUR)
    names = [each.device for each in world.subjects("canary")]
    assert world.heard(reverted, only=names[:2]).verdict().kind == "rollBack"
    assert world.heard(reverted, only=names[:1]).verdict().kind == "hold"
