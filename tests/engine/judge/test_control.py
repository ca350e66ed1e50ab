"""The control: what a gate may conclude from devices kept on the stable release."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.judged_rollouts import HOUR, World, confirmed, fleet, gate, plan, ring, started
from fakes.reporting_devices import STABLE, counters, model
from ringtide_engine.judge.gates import evaluate


def test_no_worse_than_control_needs_a_control_with_evidence() -> None:
    compared = (gate("inferenceSuccess", "noWorseThanControl", "1/100", requests=50),)
    world = started(ring_plan=plan(ring("canary", "1/4", gates=compared), ring("rest", "1")))
    without = world.later(HOUR).heard(confirmed, only=[each.device for each in world.subjects("canary")])
    assert without.verdict().gates[0].answer == "insufficient evidence"
    served = lambda each: model("confirmed", STABLE, counters(STABLE, 300))  # noqa: E731
    with_control = world.later(HOUR).heard(world.exposed_are(confirmed))
    assert with_control.heard(world.exposed_are(confirmed)).verdict().gates[0].answer == "insufficient evidence"
    beside = with_control.later(timedelta(minutes=1)).heard(served, only=[e.device for e in world.subjects("control")])
    assert beside.verdict().gates[0].answer == "pass"


@pytest.mark.parametrize("metric", ["inferenceSuccess", "p95Latency"])
@pytest.mark.parametrize(("bad", "answer"), [(False, "insufficient evidence"), (True, "fail")])
def test_a_stratum_without_a_control_is_no_part_of_a_pass(metric: str, bad: bool, answer: str) -> None:
    world = started().later(HOUR)
    first = next(each for each in world.heard(world.exposed_are(confirmed)).evidence().tallies if each.requests)
    ours = replace(first, ring="canary", stratum="a", arm="exposed", serving=9, requests=900, failures=0)
    ours = replace(ours, served_ppm=9_000_000)
    alone = replace(ours, stratum="b", failures=900)
    beside = replace(ours, arm="control")
    if bad:
        ours = replace(ours, failures=450, served_ppm=4_500_000, budget_us=ours.budget_us // 2)
    compared = gate(metric, "noWorseThanControl", "1/1000", requests=50)
    assert evaluate(compared, "canary", (ours,), (beside,)).answer == ("fail" if bad else "pass")
    both = evaluate(compared, "canary", (ours, alone), (beside,))
    assert both.answer == answer
    assert bad or "no control with evidence in b" in both.text


def test_only_devices_beside_a_control_are_enough_devices() -> None:
    world = started().later(HOUR)
    first = next(each for each in world.heard(world.exposed_are(confirmed)).evidence().tallies if each.requests)
    ours = replace(first, ring="canary", stratum="a", arm="exposed", serving=1, requests=60, failures=60)
    alone, beside = replace(ours, stratum="b", serving=9), replace(ours, arm="control", failures=0)
    compared = gate("inferenceSuccess", "noWorseThanControl", "1/100", devices=2, requests=50)
    result = evaluate(compared, "canary", (ours, alone), (beside,))
    assert result.answer == "insufficient evidence"
    assert "evidence from 1 device, 2 needed, in strata with a control" in result.text


def test_the_control_counts_only_what_it_served_since_the_ring_opened() -> None:
    bad_before = lambda each: model("confirmed", STABLE, counters(STABLE, 1000, failures=500))  # noqa: E731
    world = World(state=fleet(), now=started().now - HOUR).heard(bad_before).later(HOUR).judged()
    good_since = lambda each: model("confirmed", STABLE, counters(STABLE, 2000, failures=500))  # noqa: E731
    later = world.later(HOUR).heard(good_since)
    control = [tally for tally in later.evidence().tallies if tally.arm == "control"]
    assert sum(tally.requests for tally in control) == 3 * 1000
    assert sum(tally.failures for tally in control) == 0


def test_a_control_device_first_heard_of_after_the_opening_counts_from_then_on() -> None:
    world = World(state=fleet(), now=started().now).judged().later(HOUR)
    bad_before = lambda each: model("confirmed", STABLE, counters(STABLE, 1000, failures=500))  # noqa: E731
    world = world.heard(bad_before)
    assert sum(tally.requests for tally in world.evidence().tallies if tally.arm == "control") == 0
    good_since = lambda each: model("confirmed", STABLE, counters(STABLE, 2000, failures=500))  # noqa: E731
    control = [tally for tally in world.later(HOUR).heard(good_since).evidence().tallies if tally.arm == "control"]
    assert sum(tally.requests for tally in control) == 3 * 1000
    assert sum(tally.failures for tally in control) == 0
