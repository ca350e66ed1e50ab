"""A device has one voice: what it may claim, and how often, decides nothing for the others."""

from dataclasses import replace

import pytest

from fakes.judged_rollouts import HOUR, Behaviour, World, gate, plan, ring, started
from fakes.reporting_devices import STABLE, counters, model
from ringtide_contract.report import ModelReport
from ringtide_engine.model.desired import Gate
from ringtide_engine.model.evidence import Subject

MOST = 10**12


def canary(each: Gate) -> World:
    rings = (ring("canary", "1/3", gates=(each,)), ring("rest", "1", gates=()))
    return started(400, ring_plan=plan(*rings, control="1/4")).later(HOUR)


def first_of_each_stratum(world: World, name: str) -> list[str]:
    return [each.device for each in {each.stratum: each for each in world.subjects(name)}.values()]


def others(world: World, name: str, but: list[str]) -> list[str]:
    return [each.device for each in world.subjects(name) if each.device not in but]


def served(requests: int, *, failures: int = 0, slow: bool = False) -> Behaviour:
    def behave(each: Subject) -> ModelReport:
        took = each.budget_us * 4 if slow else 10
        counted = counters(each.manifest, requests, failures=failures, latency_us=took)
        return model("confirmed", each.manifest, replace(counted, over_budget=requests if slow else 0))

    return behave


def on_stable(requests: int, failures: int = 0) -> Behaviour:
    return lambda each: model("confirmed", STABLE, counters(STABLE, requests, failures=failures))


@pytest.mark.parametrize(
    ("compare", "limit", "answer"),
    [("atMost", "1", "insufficient evidence"), ("noWorseThanControl", "1/10", "fail")],
)
def test_a_busy_fast_device_does_not_hide_the_slow_ones(compare: str, limit: str, answer: str) -> None:
    world = canary(gate("p95Latency", compare, limit, devices=2, requests=100))
    busy = first_of_each_stratum(world, "canary")
    world = world.heard(on_stable(1000), only=others(world, "control", []))
    world = world.heard(served(1000, slow=True), only=others(world, "canary", busy)).heard(served(MOST), only=busy)
    assert world.verdict().gates[0].answer == answer


@pytest.mark.parametrize("compare", ["atMost", "noWorseThanControl"])
def test_before_anybody_is_scored_a_busy_fast_device_does_not_hide_slow_ones(compare: str) -> None:
    """Fewer requests than `scoreRequests` each: the mean over devices is all that can object."""
    world = canary(gate("p95Latency", compare, "1" if compare == "atMost" else "1/10", devices=2, requests=100))
    busy = first_of_each_stratum(world, "canary")
    world = world.heard(on_stable(200), only=others(world, "control", []))
    world = world.heard(served(60, slow=True), only=others(world, "canary", busy)).heard(served(MOST), only=busy)
    assert world.verdict().gates[0].answer == "insufficient evidence"


def test_a_busy_good_device_does_not_hide_failing_ones_beside_the_control() -> None:
    world = canary(gate("inferenceSuccess", "noWorseThanControl", "1/100", devices=2, requests=100))
    busy = first_of_each_stratum(world, "canary")
    world = world.heard(on_stable(1000), only=others(world, "control", []))
    world = world.heard(served(1000, failures=500), only=others(world, "canary", busy)).heard(served(MOST), only=busy)
    assert world.verdict().gates[0].answer == "fail"


def test_a_busy_broken_device_in_the_control_excuses_nothing() -> None:
    world = canary(gate("inferenceSuccess", "noWorseThanControl", "1/100", devices=2, requests=100))
    busy = first_of_each_stratum(world, "control")
    world = world.heard(on_stable(1000), only=others(world, "control", busy)).heard(on_stable(MOST, MOST), only=busy)
    world = world.heard(served(1000, failures=500), only=others(world, "canary", []))
    assert world.verdict().gates[0].answer != "pass"


@pytest.mark.parametrize("metric", ["inferenceSuccess", "p95Latency"])
def test_the_first_devices_of_a_large_ring_do_not_convict_by_one_request(metric: str) -> None:
    """Two of a hundred have reported, before anybody can be scored: a single bad request is no proof."""
    world = canary(gate(metric, "noWorseThanControl", "3/1000", devices=2, requests=100))
    some = others(world, "canary", [])[:2]
    world = world.heard(on_stable(1000), only=others(world, "control", []))
    world = world.heard(served(60, failures=1, slow=True), only=some)
    assert world.verdict().gates[0].answer == "insufficient evidence"
    assert world.verdict().kind == "hold"


@pytest.mark.parametrize("assurance", ["observed", "proven"])
def test_one_broken_device_misses_no_limit_for_a_large_ring(assurance: str) -> None:
    """Against a limit of 0.05 % the one score of the first device to report is worth odds of more than 100 to 1."""
    strict = gate("inferenceSuccess", "atLeast", "9995/10000")
    world = canary(replace(strict, assurance=assurance))  # type: ignore[arg-type]
    names = others(world, "canary", [])
    assert world.heard(served(1000, failures=1000), only=names[:1]).verdict().kind == "hold"
    assert world.heard(served(1000, failures=1000), only=names[:2]).verdict().kind == "rollBack"
