"""Proven gates over devices that report: what passes, what fails, and what is not shown either way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from fakes.judged_rollouts import HOUR, World, confirmed, gate, on_stable, plan, reverted, ring, started
from fakes.reporting_devices import STABLE, counters, model
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.proof import prove
from ringtide_engine.judge.scores import NOTHING, Totals, running_totals, scores_of
from ringtide_engine.model.desired import Gate
from ringtide_engine.model.evidence import Evidence, Subject
from ringtide_engine.model.proving import evidence_needed
from ringtide_engine.model.spans import MAX_SPANS

DEVICES = 400


def proven(metric: str, compare: str, limit: str, **more: int) -> Gate:
    return replace(gate(metric, compare, limit, **more), assurance="proven")


def canary(gates: tuple[Gate, ...], *, share: str = "1/3", control: str = "1/4", strata: tuple[str, ...] = ()) -> World:
    rings = (ring("canary", share, gates=gates), ring("rest", "1", gates=()))
    return started(DEVICES, ring_plan=plan(*rings, control=control), strata=strata).later(HOUR)


def answer(world: World) -> tuple[str, str]:
    result = world.verdict().gates[0]
    return result.answer, result.text


def serving(failures: int, requests: int = 200) -> Callable[[Subject], ModelReport]:
    return lambda each: model("confirmed", each.manifest, counters(each.manifest, requests, failures=failures))


def beside(world: World, exposed: int, control: int, requests: int = 200) -> World:
    """Let exposed and control devices report so many failures; the control had served 100 requests before."""
    bad = world.exposed_are(serving(exposed, requests))
    progress = world.view.progress
    assert progress is not None
    names = {each.device for each in world.subjects("control")}

    def behave(subject: Subject) -> ModelReport | None:
        if subject.device in names:
            return model("confirmed", STABLE, counters(STABLE, 100 + requests, failures=control))
        return bad(subject)

    return world.heard(behave)


def test_many_devices_without_a_fault_prove_the_limit():
    limit = proven("updateSuccess", "atLeast", "95/100")
    world = canary((limit,))
    assert answer(world.heard(world.exposed_are(confirmed)))[0] == "pass"
    assert evidence_needed(limit) == 103


def test_too_few_devices_prove_nothing_however_well_they_do():
    world = canary((proven("updateSuccess", "atLeast", "95/100"),), share="1/8")
    said, text = answer(world.heard(world.exposed_are(confirmed)))
    assert said == "insufficient evidence"
    assert "103 devices without a fault show it" in text


def test_devices_that_are_not_confirmed_prove_a_failure():
    refused = lambda each: model("refused", STABLE, desired=each.manifest, failed="probe")  # noqa: E731
    world = canary((proven("updateSuccess", "atLeast", "95/100"),))
    some = [each.device for each in world.subjects("canary")]
    heard = world.heard(refused, only=some[:30]).heard(confirmed, only=some[30:])
    assert answer(heard)[0] == "fail"


def test_one_busy_device_cannot_decide():
    """Pooled, nine requests in ten fail; but they fail on one device."""
    world = canary((proven("inferenceSuccess", "atLeast", "95/100"),))
    names = [each.device for each in world.subjects("canary")]
    one = lambda each: model(  # noqa: E731
        "confirmed", each.manifest, counters(each.manifest, 1_000_000, failures=990_000)
    )
    world = world.heard(one, only=names[:1]).heard(serving(0), only=names[1:])
    said, text = answer(world)
    assert said != "fail"
    assert f"over {len(names)} devices" in text


def test_a_candidate_with_twice_the_errors_of_the_control_is_found():
    world = canary((proven("inferenceSuccess", "noWorseThanControl", "1/1000"),))
    said, text = answer(beside(world, exposed=4, control=2))
    assert said == "fail"
    assert "on 97 of 97 devices" in text


def test_an_incident_that_hits_the_control_too_is_nobodys_fault():
    world = canary((proven("inferenceSuccess", "noWorseThanControl", "1/100"),))
    assert answer(beside(world, exposed=100, control=100))[0] == "pass"


def test_the_control_says_nothing_about_requests_before_the_ring_opened():
    before = lambda each: model("confirmed", STABLE, counters(STABLE, 1000, failures=1000))  # noqa: E731
    fresh = canary((proven("inferenceSuccess", "noWorseThanControl", "1/1000"),))
    world = World(state=fresh.state, now=fresh.now - 2 * HOUR).heard(before).later(2 * HOUR)
    since = lambda each: model("confirmed", STABLE, counters(STABLE, 1200, failures=1000))  # noqa: E731
    names = [each.device for each in world.subjects("control")]
    world = world.heard(since, only=names).heard(
        world.exposed_are(serving(4)), only=[e.device for e in world.subjects("canary")]
    )
    assert answer(world)[0] == "fail"


def test_a_fault_in_one_stratum_is_not_drowned_by_the_others():
    limit = proven("inferenceSuccess", "atLeast", "90/100")
    world = canary((limit,), strata=("region",))
    strata = sorted({each.stratum for each in world.subjects("canary")})
    assert len(strata) > 1
    bad = world.exposed_are(lambda each: serving(60 if each.stratum == strata[0] else 0)(each))
    world = world.heard(bad)
    tallies = [each for each in world.evidence().tallies if each.arm == "exposed"]
    assert prove(limit, "canary", tallies).answer == "fail"
    assert prove(limit, "canary", [each for each in tallies if each.stratum != strata[0]]).answer != "fail"


def test_a_fault_that_comes_late_is_found_in_a_later_span():
    world = canary((proven("inferenceSuccess", "atLeast", "98/100"),))
    world = world.heard(world.exposed_are(serving(0, 200)))
    assert answer(world)[0] != "fail"
    world = world.later(HOUR)
    world = world.heard(world.exposed_are(serving(200, 1000)))
    assert answer(world)[0] == "fail"


def test_evidence_is_written_and_read_without_loss():
    world = canary((proven("inferenceSuccess", "noWorseThanControl", "1/100"),))
    evidence = beside(world, exposed=4, control=2).evidence()
    assert any(tally.spans for tally in evidence.tallies)
    assert Evidence.from_dict(evidence.to_dict()) == evidence


def test_the_order_of_reports_does_not_matter():
    world = canary((proven("inferenceSuccess", "noWorseThanControl", "1/1000"),))
    world = beside(world, exposed=4, control=2).later(timedelta(minutes=5))
    world = beside(world, exposed=9, control=4, requests=500)
    turned = replace(world, observations=tuple(reversed(world.observations)))
    assert turned.evidence() == world.evidence()


@pytest.mark.parametrize("part", [on_stable, reverted])
def test_nothing_served_is_no_evidence(part: Callable[[Subject], ModelReport]):
    world = canary((proven("inferenceSuccess", "atLeast", "95/100"),))
    names = [each.device for each in world.subjects("canary")]
    evidence = world.heard(part, only=names[:1]).evidence()
    result = prove(world.view.plan.rings[0].gates[0], "canary", evidence.tallies)
    assert result.answer == "insufficient evidence"


def test_spans_double_and_end():
    totals = [
        Totals(requests=100 * step, failures=step, over_budget=0, compared=0, agreed=0, windows=step, drifted=step // 2)
        for step in range(1, 2**12)
    ]
    scores = scores_of(totals, 100)
    assert [each.failed[1] for each in scores] == [100 * 2**power for power in range(MAX_SPANS)]
    assert scores_of([NOTHING], 100) == ()


def test_totals_are_cumulative_over_sessions_of_the_manifest_that_counts():
    one, other = counters(STABLE, 10, failures=1), counters(STABLE, 5, session="two")
    later = replace(other, requests=30)
    foreign = counters(counters(STABLE).manifest[::-1], 1000)  # type: ignore[arg-type]
    totals = running_totals([(one,), (one, other), (later, foreign)], of=STABLE)
    assert [(each.requests, each.failures) for each in totals] == [(10, 1), (15, 1), (40, 1)]
    assert Fraction(running_totals([(one, foreign)], but=STABLE)[-1].requests) == 1000


def observed(metric: str, compare: str, limit: str) -> Gate:
    return gate(metric, compare, limit)


def test_a_limit_missed_by_chance_fails_no_ring_of_many_devices():
    """1.25 % of requests failed where 1 % may: with 138 devices a look can find that by chance."""
    world = canary((observed("inferenceSuccess", "atLeast", "99/100"),))
    names = [each.device for each in world.subjects("canary")]
    world = world.heard(serving(5), only=names[::2]).heard(serving(0), only=names[1::2])
    said, text = answer(world)
    assert said == "insufficient evidence"
    assert "missed, but not beyond chance" in text


def test_a_limit_missed_beyond_chance_fails_though_it_is_only_observed():
    world = canary((observed("inferenceSuccess", "atLeast", "99/100"),))
    assert answer(world.heard(world.exposed_are(serving(10))))[0] == "fail"


def test_where_devices_are_few_a_missed_limit_is_enough():
    rings = (ring("canary", "1/10", gates=(observed("inferenceSuccess", "atLeast", "99/100"),)), ring("rest", "1"))
    world = started(30, ring_plan=plan(*rings)).later(HOUR)
    assert len(world.subjects("canary")) < 10
    assert answer(world.heard(world.exposed_are(serving(5))))[0] == "fail"


def hungry(peak: int) -> Callable[[Subject], ModelReport]:
    return lambda each: model(
        "confirmed", each.manifest, replace(counters(each.manifest), peak_memory_bytes=peak or each.budget_bytes + 1)
    )


@pytest.mark.parametrize("assurance", ["observed", "proven"])
def test_devices_over_their_memory_budget_are_counted(assurance: str):
    limit = replace(gate("peakMemory", "atMost", "5/100"), assurance=assurance)
    world = canary((limit,))
    names = [each.device for each in world.subjects("canary")]
    assert answer(world.heard(hungry(1), only=names))[0] == "pass"
    several = world.heard(hungry(0), only=names[:30]).heard(hungry(1), only=names[30:])
    said, text = answer(several)
    assert said == "fail"
    assert ("30 of" if assurance == "observed" else "devices over the memory budget") in text
    assert max(tally.peak_memory_bytes for tally in several.evidence().tallies) > 1
