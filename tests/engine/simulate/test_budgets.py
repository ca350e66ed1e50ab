"""Disruption budgets in simulated rollouts: never exceeded, counted as the judge counts them, and they take time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.judged_rollouts import HOUR, NAME, START, fleet, plan, ring
from fakes.reporting_devices import STABLE as RUNNING
from fakes.reporting_devices import model, report
from ringtide_contract.ids import sha256
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.budgets import taken
from ringtide_engine.judge.tally import SILENCE
from ringtide_engine.model.budgets import DisruptionBudget, groups_of
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Observation
from ringtide_engine.model.selection import labels_of
from ringtide_engine.simulate.assumptions import SOUND, Assumptions, Fault
from ringtide_engine.simulate.course import Course, run
from ringtide_engine.simulate.devices import DEFERRED, IN_PROBATION, IS_CONFIRMED, IS_REVERTED
from ringtide_engine.workflows.simulate import Question, setting_of

CALM = Assumptions(connectivity="always", offline=0.0, spontaneous=0.0, errors=0.0, slow=0.0)
CANDIDATE = sha256(b"the candidate's manifest")
RINGS = tuple(replace(ring(name, share, gates=()), soak=HOUR) for name, share in (("canary", "1/4"), ("rest", "1")))


def budget(amount: int | Fraction, label: str = "site") -> DisruptionBudget:
    return DisruptionBudget(label=label, kind="maxUnavailable", amount=amount)


def state_of(*budgets: DisruptionBudget, devices: int = 48, sites: int = 4, unit: str = "device") -> DesiredState:
    """Return devices at some sites; every ninth is at none, and so in no group."""
    state = fleet(devices, ring_plan=plan(*RINGS, unit=unit))
    placed = {
        name: replace(each, labels=dict(each.labels) | ({"site": f"s{number % sites}"} if number % 9 or unit == "site" else {}))
        for number, (name, each) in enumerate(state.devices.items())
    }  # fmt: skip
    return replace(state, devices=placed, fleet=replace(state.fleet, budgets=budgets))


def question(assumed: Assumptions = CALM, days: int = 5) -> Question:
    return Question(fault=Fault(fails=1.0), assumed=assumed, runs=1, days=days)


def groups(state: DesiredState, course: Course) -> list[tuple[str, ...]]:
    return [groups_of(labels_of(state.devices[each]), state.fleet.budgets) for each in course.setting.reach.ids]


def switching(state: DesiredState, course: Course) -> Mapping[str, int]:
    """Return how many devices of each group have been let begin and have not said that they have settled."""
    counts: dict[str, int] = {}
    devices, held = course.devices, course.setting.reach.held
    for place, names in enumerate(groups(state, course)):
        begun = devices.ring[place] >= 0 and devices.may_begin[place] and not held[place]
        if begun and devices.said[place] not in (IS_CONFIRMED, IS_REVERTED):
            for name in names:
                counts[name] = counts.get(name, 0) + 1
    return counts


@settings(max_examples=25, deadline=None)
@given(
    budgets=st.sampled_from([(budget(1),), (budget(3),), (budget(Fraction(1, 4)), budget(5, "region"))]),
    unit=st.sampled_from(["device", "site"]),
    connectivity=st.sampled_from(["always", "intermittent", "diurnal", "long-offline"]),
    offline=st.floats(0.05, 0.8),
    churn=st.floats(0, 0.5),
    fails=st.sampled_from([0.0, 0.02]),
    seed=st.integers(0, 2**32),
)
def test_no_group_of_a_simulated_fleet_ever_exceeds_its_budget(
    budgets: tuple[DisruptionBudget, ...], unit: str, connectivity: str, offline: float, churn: float, fails: float, seed: int
) -> None:  # fmt: skip
    assumed = Assumptions(connectivity=connectivity, offline=offline, churn=churn)  # type: ignore[arg-type]
    state = state_of(*budgets, unit=unit)
    setting = setting_of(state, NAME, question(assumed), now=START)
    course = Course(setting, Fault(fails=fails), np.random.default_rng(seed))
    course.judge()
    for _ in range(120):
        course.live()
        assert all(count <= setting.view.budgets[group] for group, count in switching(state, course).items())
        course.judge()
        if course.view.progress is not None and course.view.progress.phase != "rolling":
            break


def said(code: int) -> ModelReport:
    match code:
        case 3:
            return model("confirmed", CANDIDATE)
        case 2:
            return model("probation", CANDIDATE)
        case 4:
            return model("reverted", RUNNING, desired=CANDIDATE, failed="probation")
        case 1:
            return model("deferred", RUNNING, desired=CANDIDATE)
    return model("confirmed", RUNNING)


def test_unavailable_devices_are_those_that_the_judge_counts_from_their_reports() -> None:
    assert (DEFERRED, IN_PROBATION, IS_CONFIRMED, IS_REVERTED) == (1, 2, 3, 4)
    state = state_of(budget(4), budget(Fraction(1, 2), "region"))
    assumed = Assumptions(connectivity="long-offline", offline=0.3, spell_s=4 * 86_400.0, spontaneous=0.1)
    setting = setting_of(state, NAME, question(assumed), now=START)
    course = Course(setting, SOUND, np.random.default_rng(3))
    course.judge()
    seen = set()
    for _ in range(150):
        course.live()
        devices = course.devices
        heard = [
            Observation(
                ingested_at=course.start + timedelta(seconds=float(devices.heard_s[place])),
                report=report(name, {"digits": said(int(devices.said[place]))}),
            )
            for place, name in enumerate(setting.reach.ids)
            if np.isfinite(devices.heard_s[place])
        ]
        asked = {
            name: {"digits": CANDIDATE if devices.ring[place] >= 0 and devices.may_begin[place] else RUNNING}
            for place, name in enumerate(setting.reach.ids)
            if groups(state, course)[place]
        }
        silence = SILENCE * state.fleet.max_silence
        expected = taken(state.devices, state.fleet.budgets, asked, heard, known=course.now, silence=silence)
        assert dict(course.evidence(()).occupied or {}) == expected
        seen.update(expected.values())
        course.judge()
    assert len(seen) > 2


def test_a_tight_budget_lets_a_site_begin_one_after_the_other() -> None:
    state = state_of(budget(1))
    setting = setting_of(state, NAME, question(), now=START)
    free, tight = run(setting_of(state_of(), NAME, question(), now=START), SOUND, (1,)), run(setting, SOUND, (1,))
    assert free.phase == tight.phase == "completed"
    largest = max(Counter(each.labels.get("site") for each in state.devices.values()).values())
    assert (tight.ended_s or 0) > largest * setting.step_s > (free.ended_s or 0) - 2 * 3600


def test_a_site_that_does_not_fit_into_its_budget_at_once_never_begins() -> None:
    found = run(setting_of(state_of(budget(2), unit="site"), NAME, question(), now=START), SOUND, (1,))
    assert found.phase == "rolling"
    assert "budget" in found.reasons
    assert found.exposed == 0
