"""State in, verdict out: what promotes, what holds, what rolls back."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from fakes.judged_rollouts import (
    HOUR,
    NAME,
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
from fakes.reporting_devices import STABLE, counters, model
from ringtide_contract.membership import EVERYBODY
from ringtide_contract.report import ModelReport
from ringtide_engine.model.desired import Device
from ringtide_engine.model.evidence import Source, Subject
from ringtide_engine.model.progress import Progress


def codes(world: World) -> list[str]:
    return [reason.code for reason in world.verdict().reasons]


def progress(world: World) -> Progress:
    found = world.view.progress
    assert found is not None
    return found


def test_a_rollout_without_progress_opens_its_first_ring() -> None:
    verdict = World(state=fleet()).verdict()
    assert verdict.kind == "promote"
    assert [each.name for each in verdict.progress.rings] == ["canary"]
    assert verdict.progress.phase == "rolling"


def test_a_rollout_that_reaches_nobody_does_not_begin() -> None:
    verdict = World(state=fleet(0)).verdict()
    assert (verdict.kind, verdict.reasons[0].code) == ("hold", "no-devices")
    assert verdict.progress.rings == ()


def test_confirmed_and_soaked_promotes_ring_by_ring_to_completion() -> None:
    world = started()
    for name in ("pilot", "rest"):
        world = soaked(world).judged()
        assert progress(world).rings[-1].name == name
        assert progress(world).phase == "rolling"
    world = soaked(world).judged()
    assert (progress(world).phase, progress(world).stable) == ("completed", "1.1.0")


def test_the_last_ring_reaches_everybody_and_the_control() -> None:
    world = soaked(soaked(started()).judged())
    assert len(world.subjects("control")) == 3
    world = world.judged()
    assert set(progress(world).rings[-1].cuts.values()) == {EVERYBODY}
    assert world.subjects("control") == ()


def test_the_control_stays_out_of_every_ring_but_the_last() -> None:
    world = started(ring_plan=plan(ring("canary", "1/10"), ring("most", "99/100"), ring("rest", "1"), control="1/5"))
    kept = set(world.subjects("control"))
    world = soaked(world).judged()
    assert kept == set(world.subjects("control"))
    assert len(kept) >= 3
    assert not kept & set(world.subjects("most"))


def test_confirmation_without_soak_holds_and_says_until_when() -> None:
    world = started().later(HOUR)
    verdict = world.heard(world.exposed_are(confirmed)).verdict()
    assert (verdict.kind, [each.code for each in verdict.reasons]) == ("hold", ["soak"])
    assert verdict.reasons[0].text == "ring canary: soak of 1h until 2026-11-23T11:00:00Z"


def test_the_soak_is_covered_by_evidence_and_not_by_the_clock() -> None:
    world = started().later(HOUR)
    world = world.heard(world.exposed_are(confirmed))
    later = world.later(HOUR + timedelta(minutes=4))
    assert replace(later, through=world.now + HOUR).verdict().kind == "promote"
    assert codes(replace(later, through=world.now + HOUR - timedelta(seconds=1))) == ["soak"]


def test_the_soak_begins_when_the_quorum_is_complete() -> None:
    world = started().later(HOUR)
    first, *others = [each.device for each in world.subjects("canary")]
    world = world.heard(confirmed, only=others).later(HOUR)
    world = world.heard(confirmed)
    assert codes(world) == ["soak"]
    assert world.later(HOUR).heard(confirmed).verdict().kind == "promote", first


def test_the_devices_that_hold_a_ring_are_named() -> None:
    world = started().later(HOUR)
    late = world.subjects("canary")[0].device
    world = world.heard(confirmed).heard(in_probation, only=[late])
    reason = world.later(HOUR).verdict().reasons[0]
    assert reason.code == "quorum"
    assert reason.text == f"ring canary: 6 of 7 reachable devices confirmed, 7 needed: {late} in probation"


def test_a_quorum_of_the_reachable_is_enough() -> None:
    state = fleet(devices=60, ring_plan=plan(ring("canary", "1/2"), ring("rest", "1")))
    world = World(state=state).heard(on_stable).judged().later(HOUR)
    exposed = [each.device for each in world.subjects("canary")]
    slow = exposed[: len(exposed) // 10]
    world = world.heard(world.exposed_are(confirmed)).heard(in_probation, only=slow).later(HOUR)
    world = world.heard(world.exposed_are(confirmed), only=set(exposed) - set(slow))
    assert slow
    assert world.verdict().kind == "promote"


@pytest.mark.parametrize(
    ("count", "shares", "hurt", "kind"),
    [
        pytest.param(60, "1/10", 1, "rollBack", id="one of seven"),
        pytest.param(60, "1/2", 1, "hold", id="one of thirty"),
        pytest.param(60, "1/2", 2, "hold", id="two of thirty"),
        pytest.param(60, "1/2", 3, "rollBack", id="three of thirty"),
    ],
)
def test_hard_failures_roll_back_where_broken_devices_do_not_explain_them(
    count: int, shares: str, hurt: int, kind: str
) -> None:
    world = started(count, ring_plan=plan(ring("canary", shares), ring("rest", "1"))).later(timedelta(minutes=1))
    names = [each.device for each in world.subjects("canary")][:hurt]
    verdict = world.heard(reverted, only=names).verdict()
    assert verdict.kind == kind
    if kind == "rollBack":
        assert (verdict.progress.phase, verdict.progress.stable) == ("rolledBack", None)
        assert all(name in verdict.reasons[0].text for name in names)


@pytest.mark.parametrize("step", ["load", "golden", "crash", "probation"])
def test_a_failed_step_is_hard(step: str) -> None:
    world = started().later(HOUR)
    name = world.subjects("canary")[0].device
    bad = world.heard(lambda each: model("reverted", STABLE, desired=each.manifest, failed=step), only=[name])
    assert codes(bad) == ["hard-failure"]
    assert f"{name} ({step})" in bad.verdict().reasons[0].text


@pytest.mark.parametrize("step", ["budget", "requirement", "quarantine"])
def test_a_refusal_is_not_hard_but_counts_against_the_update(step: str) -> None:
    world = started().later(HOUR)
    names = [each.device for each in world.subjects("canary")]
    refused = lambda each: model("refused", STABLE, desired=each.manifest, failed=step)  # noqa: E731
    assert world.heard(refused, only=names[:1]).verdict().kind == "hold"
    assert codes(world.heard(refused, only=names[:2])) == ["gate-failed"]


def test_a_crash_is_hard_even_where_the_device_went_on() -> None:
    world = started().later(HOUR)
    name = world.subjects("canary")[0].device
    crashed = lambda each: model("confirmed", each.manifest, counters(each.manifest, crashes=1))  # noqa: E731
    assert codes(world.heard(confirmed).heard(crashed, only=[name])) == ["hard-failure"]


def test_a_crash_of_the_stable_release_is_not_the_candidates() -> None:
    world = started().later(HOUR)
    crashed = lambda each: model("confirmed", STABLE, counters(STABLE, crashes=3), desired=each.manifest)  # noqa: E731
    assert world.heard(crashed).verdict().kind == "hold"


def test_a_failed_gate_rolls_back_before_the_ring_is_complete() -> None:
    world = started().later(timedelta(minutes=1))
    names = [each.device for each in world.subjects("canary")][:2]
    failing = lambda each: model("probation", each.manifest, counters(each.manifest, failures=20))  # noqa: E731
    verdict = world.heard(failing, only=names).verdict()
    assert verdict.kind == "rollBack"
    assert verdict.reasons[0].subject == "canary/inferenceSuccess"


def test_a_gate_of_an_earlier_ring_still_rolls_back() -> None:
    world = soaked(soaked(started()).judged())
    failing = lambda each: model("confirmed", each.manifest, counters(each.manifest, 10_000, failures=3_000))  # noqa: E731
    names = [each.device for each in world.subjects("canary")]
    verdict = world.heard(failing, only=names).verdict()
    assert (verdict.kind, verdict.reasons[0].subject) == ("rollBack", "canary/inferenceSuccess")


@pytest.mark.parametrize("minutes", [11, 60 * 24])
def test_evidence_older_than_two_intervals_holds(minutes: int) -> None:
    world = soaked(started())
    old = replace(world.later(timedelta(minutes=minutes)), through=world.now)
    assert codes(old)[0] == "evidence-stale"
    assert old.verdict().kind == "hold"


@pytest.mark.parametrize(("ahead", "kind"), [(timedelta(hours=1), "promote"), (timedelta(hours=1, seconds=1), "hold")])
def test_evidence_from_the_future_holds(ahead: timedelta, kind: str) -> None:
    world = soaked(started())
    verdict = replace(world, through=world.now + ahead).verdict()
    assert verdict.kind == kind
    assert kind == "promote" or (verdict.reasons[0].code, "clock" in verdict.reasons[0].text) == (
        "evidence-stale",
        True,
    )


@pytest.mark.parametrize("asked", [True, False])
def test_a_refusal_without_a_remembered_failure_is_waited_for(asked: bool) -> None:
    world = started().later(HOUR)
    name = world.subjects("canary")[0].device
    for_now = lambda each: model("refused", STABLE, desired=each.manifest if asked else STABLE)  # noqa: E731
    for _ in range(2):
        world = world.heard(world.exposed_are(confirmed)).heard(for_now, only=[name]).later(HOUR)
    world = world.heard(world.exposed_are(confirmed)).heard(for_now, only=[name])
    verdict = world.verdict()
    assert (verdict.kind, [reason.code for reason in verdict.reasons]) == ("hold", ["quorum"])
    assert f"{name} refused for now" in verdict.reasons[0].text


def test_the_laggard_among_collectors_decides() -> None:
    world = soaked(started())
    evidence = world.evidence()
    slow = Source(branch="collected/other", commit="2" * 40, through=world.now - timedelta(minutes=11))
    from ringtide_engine.judge.verdict import decide

    verdict = decide(world.view, replace(evidence, sources=(*evidence.sources, slow)), "progress/x/0001.json")
    assert (verdict.kind, verdict.reasons[0].subject) == ("hold", "collected/other")


def test_nothing_collected_at_all_holds() -> None:
    world = started()
    from ringtide_engine.judge.verdict import decide

    verdict = decide(world.view, replace(world.evidence(), sources=()), "progress/x/0001.json")
    assert (verdict.kind, verdict.reasons[0].code) == ("hold", "no-reports")


def test_a_passed_deadline_says_stuck_and_never_passes() -> None:
    world = started().later(HOUR)
    world = world.heard(world.exposed_are(in_probation)).later(timedelta(days=2))
    world = world.heard(world.exposed_are(in_probation))
    assert "stuck" not in codes(world)
    world = world.later(timedelta(days=1)).heard(world.exposed_are(in_probation))
    verdict = world.verdict()
    assert verdict.kind == "hold"
    assert verdict.reasons[-1].text.startswith("ring canary is stuck since 2026-11-26T09:00:00Z")
    assert verdict.until is not None
    assert verdict.until < world.now


def test_a_quarantined_candidate_rolls_back() -> None:
    from ringtide_contract.quarantine import QuarantineEntry

    entry = QuarantineEntry(subject="release", model="digits", release="1.1.0", graphs=(), reason="elsewhere")
    world = started()
    banned = replace(world, state=replace(world.state, quarantine=(entry,)))
    assert codes(banned) == ["quarantined"]
    assert banned.verdict().kind == "rollBack"


def test_cuts_only_grow_when_the_plan_is_edited() -> None:
    world = soaked(started(ring_plan=plan(ring("canary", "1/2"), ring("pilot", "3/5"), ring("rest", "1"))))
    smaller = plan(ring("canary", "1/100"), ring("pilot", "1/100"), ring("rest", "1"))
    edited = replace(world, state=replace(world.state, ring_plans={"standard": smaller}))
    before, after = progress(world).rings[0].cuts, edited.verdict().progress.rings[1].cuts
    assert all(after[stratum] >= cut for stratum, cut in before.items())


def test_a_plan_cut_short_after_its_canary_opened_does_not_complete() -> None:
    world = soaked(started())
    short = replace(world, state=replace(world.state, ring_plans={"standard": plan(ring("canary", "1/10"))}))
    verdict = short.verdict()
    assert (verdict.kind, [reason.code for reason in verdict.reasons]) == ("hold", ["plan-changed"])
    assert (verdict.progress.phase, verdict.progress.stable) == ("rolling", None)
    assert "ends with ring canary" in verdict.reasons[0].text


def test_an_edited_plan_that_no_longer_fits_holds_instead_of_starting_over() -> None:
    world = soaked(started())
    other = plan(ring("first", "1/10"), ring("rest", "1"))
    edited = replace(world, state=replace(world.state, ring_plans={"standard": other}))
    verdict = edited.verdict()
    assert (verdict.kind, verdict.reasons[0].code) == ("hold", "plan-changed")
    assert verdict.progress.rings == progress(world).rings


def test_a_completed_rollout_still_rolls_back_on_late_hard_failures() -> None:
    world = soaked(soaked(soaked(started()).judged()).judged()).judged().later(timedelta(minutes=1))
    assert world.verdict().kind == "hold"
    names = [each.device for each in world.subjects("rest")][:3]
    assert world.heard(reverted, only=names).verdict().kind == "rollBack"


def test_a_held_device_is_not_waited_for() -> None:
    world = started()
    name = world.subjects("canary")[0].device
    held: Device = replace(world.state.devices[name], state="held")
    world = replace(world, state=replace(world.state, devices={**world.state.devices, name: held}))
    waiting = world.later(HOUR)
    others = {each.device for each in waiting.subjects("canary")} - {name}
    waiting = waiting.heard(confirmed, only=others).later(HOUR).heard(confirmed, only=others)
    assert waiting.verdict().kind == "promote"


def test_ring_by_cohort_exposes_the_cohort_only() -> None:
    world = started(ring_plan=plan(ring("europe", None, cohort="eu"), ring("rest", "1")))
    assert {world.state.devices[each.device].labels["region"] for each in world.subjects("europe")} == {"eu"}
    assert len(world.subjects("europe")) == 30


def test_the_progress_names_the_rollout_and_its_evidence() -> None:
    world = started()
    assert progress(world).last.evidence == f"progress/{NAME}/0001.json"
    assert soaked(world).verdict().progress.last.evidence == f"progress/{NAME}/0002.json"


def test_latency_is_judged_by_the_slowest_stratum() -> None:
    world = started().later(HOUR)

    def part(each: Subject) -> ModelReport:
        slow = 90_000 if each.stratum == "edge-s" else 1_000
        return model("confirmed", each.manifest, counters(each.manifest, latency_us=slow))

    verdict = world.heard(world.exposed_are(part)).verdict()
    assert verdict.kind == "rollBack"
    assert verdict.reasons[0].subject == "canary/p95Latency"


def test_absurd_figures_of_one_device_do_not_stop_the_judge() -> None:
    world = started().later(HOUR)
    most = 2**53 - 1

    def absurd(each: Subject) -> ModelReport:
        sessions = [counters(each.manifest, most, session=str(number)) for number in range(3)]
        return model("confirmed", each.manifest, *sessions)

    assert world.heard(absurd).verdict().kind == "hold"


def test_agreement_with_the_stable_release_is_a_share_of_compared_requests() -> None:
    gates = (gate("agreementWithStable", "atLeast", "9/10", devices=2, requests=50),)
    world = started(ring_plan=plan(ring("canary", "1/4", gates=gates), ring("rest", "1"))).later(HOUR)
    for agreed, answer in ((40, "pass"), (30, "fail")):
        part = lambda each, agreed=agreed: model(  # noqa: E731
            "confirmed", each.manifest, counters(each.manifest, compared=40, agreed=agreed)
        )
        assert world.heard(part).verdict().gates[0].answer == answer
    assert world.heard(confirmed).verdict().gates[0].answer == "insufficient evidence"


def test_drift_is_a_share_of_windows_and_nothing_watched_is_no_pass() -> None:
    gates = (gate("drift", "atMost", "1/10", devices=2),)
    world = started(ring_plan=plan(ring("canary", "1/4", gates=gates), ring("rest", "1"))).later(HOUR)
    for drifted, answer in ((0, "pass"), (1, "pass"), (9, "fail")):
        part = lambda each, drifted=drifted: model(  # noqa: E731
            "confirmed", each.manifest, replace(counters(each.manifest), drift_windows=10, drifted_windows=drifted)
        )
        assert world.heard(part).verdict().gates[0].answer == answer
    assert world.heard(confirmed).verdict().gates[0].answer == "insufficient evidence"


def test_minimum_per_stratum_reaches_small_strata() -> None:
    small = replace(ring("canary", "1/100"), minimum_per_stratum=2)
    world = started(12, ring_plan=plan(small, ring("rest", "1"), control="0"), strata=("region",))
    strata = [each.stratum for each in world.subjects("canary")]
    assert all(strata.count(stratum) == 2 for stratum in world.view.units)
    assert Fraction(len(strata), 12) == 1
