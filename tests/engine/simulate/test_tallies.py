"""What the judge is told of simulated devices is what it would have counted from their reports."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from fakes.judged_rollouts import GATES, NAME, START, case, fleet, plan, ring
from fakes.reporting_devices import STABLE, report
from ringtide_contract.ids import Digest
from ringtide_contract.manifest import Probation
from ringtide_contract.report import Counters, Failure, ModelReport, Running
from ringtide_engine.judge.tally import SILENCE, tally
from ringtide_engine.judge.verdict import decide
from ringtide_engine.model.evidence import Observation, Subject
from ringtide_engine.simulate.assumptions import Assumptions, Fault
from ringtide_engine.simulate.course import Course, Setting
from ringtide_engine.simulate.devices import DEFERRED, IN_PROBATION, IS_CONFIRMED, IS_REVERTED
from ringtide_engine.simulate.marks import AGREED, COMPARED, FAILURES, OVER, REQUESTS
from ringtide_engine.simulate.reach import reach_of
from ringtide_engine.simulate.tallies import _latency

TERMS = Probation(
    seconds=600, min_requests=20, max_failure_ppm=900_000, max_over_budget_ppm=900_000, min_agreement_ppm=0
)
MANY = ring("canary", "1/10"), ring("pilot", "1/2"), ring("rest", "1")


def setting(devices: int = 90, *, strata: tuple[str, ...] = ("region",), rings=MANY, **assumed: object) -> Setting:
    state = fleet(devices, ring_plan=replace(plan(*rings, control="1/5"), score_requests=50), strata=strata)
    held = {name: replace(each, state="held") for name, each in list(state.devices.items())[::17]}
    found = case(replace(state, devices={**state.devices, **held}))
    return Setting(
        view=found.view,
        reach=reach_of(found.subjects, lambda _: 1000, lambda _: True),
        terms=TERMS,
        assumed=Assumptions(
            **{"requests": 40.0, "errors": 0.02, "slow": 0.03, "offline": 0.4, "spontaneous": 0.0, **assumed}
        ),  # type: ignore[arg-type]
        decide=partial(decide, path=f"evidence/{NAME}/x.json"),
        silence=SILENCE,
        now=START,
        days=9,
        step_s=3600,
    )


def reports(course: Course, subjects: Mapping[str, Subject], numbers: Counter[str]) -> Iterator[Observation]:
    """Yield the reports of this step, as devices would write them."""
    devices = course.devices
    control = {int(device): place for place, device in enumerate(course.arms.control)}
    for place in np.flatnonzero(course.online).tolist():
        subject, said = subjects[course.setting.reach.ids[place]], int(devices.said[place])
        budget = subject.budget_us
        served = [counters(subject.manifest, devices.totals[:, place], budget)] if devices.totals[0, place] else []
        if place in control:
            served.append(counters(STABLE, devices.control_totals[:, control[place]], budget))
        phase = {DEFERRED: "deferred", IN_PROBATION: "probation", IS_REVERTED: "reverted"}.get(said, "confirmed")
        failures = (Failure(manifest=subject.manifest, release="1.1.0", step="probation", note=""),)
        runs = subject.manifest if said in (IN_PROBATION, IS_CONFIRMED) else STABLE
        part = ModelReport(
            phase=phase,  # type: ignore[arg-type]
            active=Running(manifest=runs, release="x", variant="fp32"),
            desired=subject.manifest if said else STABLE,
            reason="",
            failures=failures if said == IS_REVERTED else (),
            counters=tuple(served),
        )
        numbers[subject.device] += 1
        yield Observation(
            ingested_at=course.now, report=report(subject.device, {"digits": part}, numbers[subject.device])
        )


def counters(manifest: Digest, totals: np.ndarray, budget_us: int) -> Counters:
    figures = [int(each) for each in totals]
    return Counters(
        manifest=manifest, session="one", requests=figures[REQUESTS], failures=figures[FAILURES],
        over_budget=figures[OVER], compared=figures[COMPARED], agreed=figures[AGREED], crashes=0,
        peak_memory_bytes=0, latency=_latency(budget_us, figures[REQUESTS], figures[OVER]),
        drift_windows=figures[REQUESTS],
    )  # fmt: skip


def first_words(course: Course, subjects: Mapping[str, Subject]) -> Iterator[Observation]:
    """Yield what devices had said last before the run."""
    part = ModelReport(
        phase="confirmed", active=Running(manifest=STABLE, release="x", variant="fp32"), desired=STABLE,
        reason="", failures=(), counters=(),
    )  # fmt: skip
    for place, name in enumerate(course.setting.reach.ids):
        heard = course.devices.heard_s[place]
        if np.isfinite(heard):
            at = course.start + timedelta(seconds=float(heard))
            yield Observation(ingested_at=at, report=report(subjects[name].device, {"digits": part}, 1))


COHORT = (ring("canary", "1/10"), ring("europe", None, cohort="eu"), ring("rest", "1"))


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (setting(), Fault()),
        (setting(rings=COHORT), Fault()),
        (setting(strata=(), connectivity="long-offline", spell_s=4 * 86_400.0, churn=0.2), Fault()),
        (setting(connectivity="diurnal", offline=0.6), Fault(factor=3.0)),
        (setting(300), Fault(fails=0.3)),
    ],
    ids=["shares", "cohort", "dark", "diurnal", "failing"],
)
def test_tallies_of_a_run_are_those_of_the_judge_over_the_reports(made: Setting, fault: Fault) -> None:
    soak = timedelta(hours=40 if made.assumed.connectivity == "long-offline" else 1)
    lenient = tuple(
        replace(each, gates=tuple(replace(gate, limit=Fraction(1)) for gate in GATES if gate.metric == "wentSilent"),
                quorum=Fraction(1, 2), soak=soak, spread=timedelta(hours=3))
        for each in made.view.plan.rings
    )  # fmt: skip
    plan_of_all = replace(made.view.plan, rings=lenient, hard_failures=Fraction(9, 10))
    made = replace(made, view=replace(made.view, plan=plan_of_all))
    course = Course(made, fault, np.random.default_rng(5))
    subjects = {each.device: each for each in case(fleet(made.reach.count, ring_plan=made.view.plan)).subjects}
    subjects = {
        device: replace(
            subjects[device], stratum=made.reach.strata[made.reach.stratum[place]], held=bool(made.reach.held[place]),
            cohorts=frozenset(name for name, inside in made.reach.cohorts.items() if inside[place]),
        )
        for place, device in enumerate(made.reach.ids)
    }  # fmt: skip
    heard = list(first_words(course, subjects))
    numbers = Counter(each.report.device for each in heard)
    course.judge()
    compared, opened = 0, 0
    for number in range(1, 180):
        course.live()
        heard += reports(course, subjects, numbers)
        progress = course.progress
        assert progress is not None
        opened = len(progress.rings)
        if number % 7 == 0 or number < 12:
            view = replace(course.view, progress=progress)
            since = progress.rings[0].opened_at - timedelta(seconds=course.limit_s)
            recent = [each for each in heard if each.ingested_at >= since]
            expected = tally(view, list(subjects.values()), recent, now=course.now, through=course.now)
            for ours, theirs in zip(course.tallies(names=True), expected, strict=True):
                assert ours.to_dict() == theirs.to_dict()
            compared += any(each.spans and each.spans[0].failed_pairs for each in expected)
            judged = decide(view, course.evidence(course.tallies()), "evidence/x.json")
            assert judged.kind == decide(view, course.evidence(expected), "evidence/x.json").kind
        course.judge()
        if course.view.progress is not None and course.view.progress.phase != "rolling":
            break
    assert opened == 3 or fault.fails, [
        (course.now_s, each.code, each.text) for each in (course.verdict.reasons if course.verdict else ())
    ]
    assert compared
