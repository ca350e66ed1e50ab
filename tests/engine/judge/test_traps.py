"""The traps of other rollout engines, by name; each would have promoted, or hidden a failure."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.desired_states import device
from fakes.judged_rollouts import (
    HOUR,
    World,
    confirmed,
    fleet,
    gate,
    in_probation,
    on_stable,
    plan,
    reverted,
    ring,
    soaked,
    started,
)
from fakes.reporting_devices import counters, model
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.gates import evaluate
from ringtide_engine.model.evidence import Subject

DAY = timedelta(days=1)


def test_batch_end_only_a_failure_counts_while_the_ring_is_still_busy() -> None:
    world = started().later(timedelta(minutes=1))
    busy = world.heard(world.exposed_are(in_probation))
    hurt = busy.subjects("canary")[0].device
    assert busy.verdict().kind == "hold"
    assert busy.heard(reverted, only=[hurt]).verdict().kind == "rollBack"


def test_a_zero_device_ring_passes_nothing() -> None:
    nobody = plan(ring("none", None, cohort="missing"), ring("rest", "1"))
    world = World(state=fleet(ring_plan=nobody)).heard(on_stable).judged().later(DAY * 4)
    verdict = world.heard(on_stable).verdict()
    assert world.subjects("none") == ()
    assert verdict.kind == "hold"
    assert verdict.reasons[0].code == "nobody"


def test_a_ring_that_adds_no_device_is_judged_by_those_before_it() -> None:
    twice = plan(ring("canary", "1/4"), ring("again", "1/4"), ring("rest", "1"))
    world = soaked(started(ring_plan=twice)).judged()
    assert world.subjects("again") == ()
    assert world.verdict().reasons[0].code == "soak"
    assert soaked(world).verdict().kind == "promote"
    hurt = [each.device for each in world.subjects("canary")][:2]
    assert soaked(world).heard(reverted, only=hurt).verdict().kind == "rollBack"


def test_offline_devices_are_not_flushed_into_the_last_ring() -> None:
    world = World(state=fleet(), now=started().now - HOUR)
    offline = {each.device for each in world.subjects() if int(each.device[-4:]) % 3 == 0}
    online = {each.device for each in world.subjects()} - offline
    world = world.heard(on_stable, only=online).later(HOUR).judged()
    mine = {each.device for each in world.subjects("canary")} & offline
    assert mine
    world = world.later(HOUR)
    world = world.heard(confirmed, only=online).later(HOUR).heard(confirmed, only=online)
    promoted = world.judged()
    assert world.verdict().kind == "promote"
    assert mine <= {each.device for each in promoted.subjects("canary")}, "they keep their ring"
    late = promoted.later(HOUR).heard(reverted, only=sorted(mine)[:1])
    assert late.verdict().kind == "rollBack", "and count in it as soon as they come back"


def test_a_ring_of_unreachable_devices_passes_nothing() -> None:
    world = World(state=fleet()).judged().later(HOUR)
    verdict = world.verdict()
    assert verdict.kind == "hold"
    assert "no reachable device (7 unreachable)" in verdict.reasons[0].text


def test_devices_that_went_silent_after_exposure_are_not_called_unreachable() -> None:
    world = started().later(HOUR)
    exposed = [each.device for each in world.subjects("canary")]
    world = world.heard(confirmed, only=exposed[2:])
    for _ in range(4):
        world = world.later(DAY).heard(confirmed, only=exposed[2:])
    verdict = world.verdict()
    assert verdict.kind == "rollBack"
    assert verdict.reasons[0].subject == "canary/wentSilent"
    silent = [name for tally in world.evidence().tallies if tally.arm == "exposed" for name in tally.silent]
    assert sorted(silent) == sorted(exposed[:2])


def test_a_device_that_confirmed_and_fell_silent_is_confirmed_no_more() -> None:
    world = started().later(HOUR).heard(confirmed)
    later = world.later(3 * DAY)
    assert sum(tally.confirmed for tally in world.evidence().tallies) == 7
    assert sum(tally.confirmed for tally in later.evidence().tallies) == 0


def test_the_canary_is_not_the_first_by_name_and_rotates_with_the_release() -> None:
    world = started()
    names = sorted(each.device for each in world.subjects())
    canary = sorted(each.device for each in world.subjects("canary"))
    assert canary != names[: len(canary)]
    rollout = replace(world.state.rollouts["digits-1.1.0"], candidate="1.2.0")
    other = replace(world, state=replace(world.state, rollouts={"digits-1.1.0": rollout}, progress={}))
    assert {each.bucket for each in other.subjects()}.isdisjoint(each.bucket for each in world.subjects())


def test_new_devices_evict_nobody() -> None:
    world = started()
    before = {each.device for each in world.subjects("canary")}
    newcomers = {each.id: each for each in (device(number) for number in range(60, 90))}
    grown = replace(world, state=replace(world.state, devices={**world.state.devices, **newcomers}))
    assert before <= {each.device for each in grown.subjects("canary")}


def test_a_late_failure_after_promotion_still_rolls_back() -> None:
    world = soaked(started()).judged()
    hurt = world.subjects("canary")[0].device
    verdict = world.later(HOUR).heard(reverted, only=[hurt]).verdict()
    assert (verdict.kind, verdict.reasons[0].subject) == ("rollBack", "canary")


def test_no_evidence_is_no_pass_for_any_metric() -> None:
    for metric in ("updateSuccess", "inferenceSuccess", "p95Latency", "agreementWithStable", "wentSilent"):
        for compare in ("atLeast", "atMost", "noWorseThanControl"):
            for limit in ("0", "1"):
                result = evaluate(gate(metric, compare, limit, devices=0), "canary", (), ())
                assert result.answer == "insufficient evidence", result


def test_silence_since_the_opening_is_no_evidence() -> None:
    world = started().later(2 * DAY)
    assert world.verdict().kind == "hold"


@pytest.mark.parametrize("days", [1, 3, 30])
def test_an_outage_of_the_ingest_is_not_the_silence_of_the_devices(days: int) -> None:
    world = started().later(timedelta(minutes=10))
    world = world.heard(world.exposed_are(confirmed))
    verdict = replace(world.later(days * DAY + HOUR), through=world.now).verdict()
    assert (verdict.kind, verdict.reasons[0].code) == ("hold", "evidence-stale")
    assert (
        sum(tally.went_silent for tally in replace(world.later(days * DAY), through=world.now).evidence().tallies) == 0
    )


def test_devices_found_silent_before_an_outage_do_not_roll_back_during_it() -> None:
    world = started().later(timedelta(minutes=10))
    world = world.heard(world.exposed_are(confirmed)).later(3 * DAY + HOUR)
    assert world.verdict().kind == "rollBack"
    stale = replace(world.later(HOUR), through=world.now).verdict()
    assert (stale.kind, stale.reasons[0].code) == ("hold", "evidence-stale")


def test_one_chatty_device_is_not_a_ring() -> None:
    world = started().later(HOUR)
    first, *others = [each.device for each in world.subjects("canary")]

    def chatty(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest, counters(each.manifest, 1_000_000))

    def idle(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest)

    world = world.heard(chatty, only=[first]).heard(idle, only=others).later(HOUR)
    answers = {result.metric: result for result in world.verdict().gates}
    assert answers["inferenceSuccess"].answer == "insufficient evidence"
    assert "evidence from 1 device, 2 needed" in answers["inferenceSuccess"].text
    assert world.verdict().kind == "hold"


def test_one_chatty_device_does_not_outvote_failing_ones() -> None:
    world = started().later(HOUR)
    first, *others = [each.device for each in world.subjects("canary")]

    def chatty(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest, counters(each.manifest, 1_000_000))

    def failing(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest, counters(each.manifest, 50, failures=25))

    result = world.heard(chatty, only=[first]).heard(failing, only=others).verdict().gates[1]
    assert result.metric == "inferenceSuccess"
    assert result.answer == "insufficient evidence"
    assert "neither is shown" in result.text


def test_a_lost_report_loses_nothing_because_counters_are_cumulative() -> None:
    world = started().later(HOUR)
    served = lambda requests: lambda each: model("confirmed", each.manifest, counters(each.manifest, requests))  # noqa: E731
    whole = world.heard(served(100)).later(HOUR).heard(served(250)).later(HOUR).heard(served(400))
    lossy = world.later(2 * HOUR).heard(served(400), number=4)
    requests = [sum(t.requests for t in each.evidence().tallies if t.arm == "exposed") for each in (whole, lossy)]
    assert requests == [7 * 400, 7 * 400]
    gaps = [sum(t.gaps for t in each.evidence().tallies) for each in (whole, lossy)]
    assert gaps == [0, 7]


def test_a_restarted_session_is_added_and_two_sessions_are_not_mixed_up() -> None:
    world = started().later(HOUR)

    def first(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest, counters(each.manifest, 100, session="one"))

    def both(each: Subject) -> ModelReport:
        served = [counters(each.manifest, 100, session="one"), counters(each.manifest, 30, session="two", failures=3)]
        return model("confirmed", each.manifest, *served)

    def only_second(each: Subject) -> ModelReport:
        return model("confirmed", each.manifest, counters(each.manifest, 60, session="two", failures=4))

    world = world.heard(first).later(HOUR).heard(both).later(HOUR).heard(only_second)
    exposed = [tally for tally in world.evidence().tallies if tally.arm == "exposed"]
    assert sum(tally.requests for tally in exposed) == 7 * 160
    assert sum(tally.failures for tally in exposed) == 7 * 4
    assert sum(tally.latency.total for tally in exposed) == 7 * 160


def test_success_before_probation_is_not_success() -> None:
    world = started().later(HOUR)
    for phase in ("installing", "probation", "deferred"):
        part = lambda each, phase=phase: model(phase, each.manifest, counters(each.manifest))  # noqa: E731
        told = world.heard(part).later(2 * DAY).heard(part)
        assert told.verdict().kind == "hold"
        assert sum(tally.confirmed for tally in told.evidence().tallies) == 0


def test_confirmed_on_another_manifest_is_not_success() -> None:
    world = started().later(HOUR)
    told = world.heard(on_stable).later(HOUR).heard(on_stable)
    assert sum(tally.confirmed for tally in told.evidence().tallies) == 0
    assert told.verdict().kind == "hold"
