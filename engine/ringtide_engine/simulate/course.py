"""One run: a rollout from its start, or from where it stands, to its end or the last day."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from ringtide_contract.manifest import Probation
from ringtide_contract.membership import EVERYBODY, NOBODY
from ringtide_contract.windows import Window, open_now
from ringtide_engine.model.evidence import Evidence, Source, Tally
from ringtide_engine.model.progress import OpenedRing, Progress, RolloutPhase
from ringtide_engine.model.verdict import RolloutView, Verdict
from ringtide_engine.simulate.arms import Arms
from ringtide_engine.simulate.assumptions import Assumptions, Fault
from ringtide_engine.simulate.budgets import Budgets
from ringtide_engine.simulate.devices import CONFIRMED, PROBATION, REVERTED, STABLE, Devices
from ringtide_engine.simulate.links import Links
from ringtide_engine.simulate.reach import Bools, Floats, Reach
from ringtide_engine.simulate.tallies import Moment, tallies

Decide = Callable[[RolloutView, Evidence], Verdict]
"""The judge."""

LOOK_BACK = timedelta(days=30)
"""A rollout under way is played from its first opening on, but not from longer ago."""

_GLANCES = 4
"""How often in a step windows are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that the runs of one simulation share."""

    view: RolloutView
    """The rollout, with its progress so far."""
    reach: Reach
    """Whom it can reach."""
    terms: Probation
    """The candidate's probation."""
    assumed: Assumptions
    """What devices are like."""
    decide: Decide
    """The judge."""
    silence: int
    """After so many times `maxSilence` the judge calls a device silent."""
    now: datetime
    """The present, whole seconds."""
    days: int
    """Days to simulate."""
    step_s: int
    """Seconds from look to look."""

    @property
    def steps(self) -> int:
        """Steps from the present to the last day."""
        return self.days * 86_400 // self.step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one run."""

    phase: RolloutPhase
    """Where the rollout stood at the end."""
    ended_s: int | None
    """When it was completed or rolled back, seconds from the present; None where neither."""
    opened_s: tuple[tuple[str, int], ...]
    """Rings that opened in the run, and when."""
    reasons: tuple[str, ...]
    """Kinds of the reasons of the last verdict."""
    exposed: int
    """Devices that activated the candidate."""
    harmed: int
    """Devices among them on which its fault shows."""
    adopted: Floats
    """Share of the devices that take new releases which run the candidate, after each step."""
    fetched: Floats
    """Bytes fetched in each step."""


class Course:
    """A run under way."""

    def __init__(self, setting: Setting, fault: Fault, chance: np.random.Generator) -> None:
        """Place devices where they stand before the first step."""
        view = setting.view
        rings = view.progress.rings if view.progress else ()
        begin = min((ring.opened_at for ring in rings), default=setting.now)
        back = max(timedelta(0), setting.now - max(begin, setting.now - LOOK_BACK))
        self.past = -(-int(back.total_seconds()) // setting.step_s)
        """Steps that lie before the present."""
        self.start = setting.now - timedelta(seconds=self.past * setting.step_s)
        """Time of step 0."""
        self.setting = setting
        self.view = replace(view, progress=None) if not rings else view
        self.links = Links(setting.assumed, setting.reach.count, self.start, setting.step_s, chance)
        self.devices = Devices(setting.reach, setting.assumed, fault, setting.terms, self.links.silent_s, chance)
        self.limit_s = int(setting.silence * view.max_silence.total_seconds())
        self.arms = Arms(setting.reach, view.plan.score_requests, self.limit_s)
        self.step = 0
        self.now_s = 0
        self.online: Bools = np.zeros(setting.reach.count, np.bool_)
        """Who is online, and has reported, in this step."""
        self.budgets = Budgets(setting.reach) if view.budgets else None
        """The fleet's disruption budgets; None where it has none."""
        self.verdict: Verdict | None = None
        """The last verdict of this run."""
        self._opened: list[OpenedRing] = []
        self._known = -1

    @property
    def now(self) -> datetime:
        """The present of the run."""
        return self.start + timedelta(seconds=self.now_s)

    @property
    def progress(self) -> Progress | None:
        """The rings open by now; None before the first."""
        if self.view.progress is None or not self._opened:
            return None
        return replace(self.view.progress, rings=tuple(self._opened))

    def live(self) -> None:
        """Let the devices live through one step, and report."""
        self.step += 1
        self.now_s = self.step * self.setting.step_s
        self._take_openings()
        self.online = self.links.online(self.step)
        if self._opened:
            self.devices.live(self.now_s, self.setting.step_s, self.online, self._windows())
        serving, present = self.devices.report(self.now_s, self.online)
        if self._opened:
            self.arms.score(self.devices, serving, present)

    def judge(self) -> None:
        """Let the judge look, unless it could see nothing new."""
        completed = self.view.progress is not None and self.view.progress.phase == "completed"
        known = int((self.devices.said == REVERTED + 1).sum())
        if completed and known == self._known:
            return
        self._known = known
        self.verdict = self._decide(self.evidence(self.tallies()))
        self.view = replace(self.view, progress=self.verdict.progress if self.verdict.progress.rings else None)
        self._take_openings()

    def _decide(self, evidence: Evidence) -> Verdict:
        """Ask the judge; of a large fleet, all candidates are shown to it only where another ring opens."""
        rings = self.view.progress.rings if self.view.progress else ()
        if self.budgets is None:
            return self.setting.decide(self.view, evidence)
        waiting = self.budgets.waiting(rings) if rings else ()
        verdict = self.setting.decide(replace(self.view, candidates=waiting), evidence)
        if len(verdict.progress.rings) == len(rings):
            return verdict
        return self.setting.decide(replace(self.view, candidates=self.budgets.candidates), evidence)

    def tallies(self, *, names: bool = False) -> tuple[Tally, ...]:
        """Return what the judge is told."""
        progress = self.progress
        if progress is None:
            return ()
        moment = Moment(start=self.start, now_s=self.now_s, limit_s=self.limit_s)
        return tallies(self.setting.reach, self.devices, self.arms, progress, moment, names=names)

    def evidence(self, counted: tuple[Tally, ...]) -> Evidence:
        """Return it as evidence: collected up to the present."""
        rollout = self.view.rollout
        return Evidence(
            rollout=rollout.name,
            candidate=rollout.candidate,
            now=self.now,
            source="0" * 40,
            sources=(Source(branch="simulated", commit="0" * 40, through=self.now),),
            tool="simulation",
            tallies=counted,
            occupied=None if self.budgets is None else self.budgets.occupied(self.devices, self.now_s, self.limit_s),
        )

    def _take_openings(self) -> None:
        """Open the rings that are due: those that the judge has just opened, or had before the present."""
        rings = self.view.progress.rings if self.view.progress else ()
        if self.budgets is not None and self._opened != list(rings[: len(self._opened)]):
            self._opened = list(rings[: len(self._opened)])
            self.devices.may_begin = self.budgets.let_begin(self._opened)
        for place in range(len(self._opened), len(rings)):
            ring = rings[place]
            if ring.opened_at > self.now:
                break
            self._opened.append(ring)
            spec = next((each for each in self.view.plan.rings if each.name == ring.name), None)
            reach = self.setting.reach
            unweighed = NOBODY if ring.cohort is None else EVERYBODY
            self.devices.join(
                place,
                reach.inside(ring),
                (ring.opened_at - self.start).total_seconds(),
                spec.spread.total_seconds() if spec else 0.0,
                np.array([float(ring.cuts.get(name, unweighed)) for name in reach.strata]),
            )
            if self.budgets is not None:
                self.devices.may_begin = self.budgets.let_begin(self._opened)
            progress = self.progress
            if progress is not None:
                self.arms.open(progress, self.devices, self.now_s)

    def _windows(self) -> Bools:
        """Tell of each open ring and time zone whether a window is open in this step."""
        specs = {ring.name: ring for ring in self.view.plan.rings}
        return np.array(
            [
                [
                    self._is_open(specs[ring.name].windows_in(zone) if ring.name in specs else ())
                    for zone in self.setting.reach.zones
                ]
                for ring in self._opened
            ],
            np.bool_,
        )

    def _is_open(self, windows: tuple[Window, ...]) -> bool:
        glance = timedelta(seconds=self.setting.step_s / _GLANCES)
        return not windows or any(open_now(windows, self.now - number * glance) for number in range(_GLANCES))

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen any more that anybody asks about."""
        progress = self.view.progress
        if progress is None or progress.phase == "rolling":
            return False
        if progress.phase == "rolledBack":
            return True
        idle = ~self.setting.reach.held & (self.devices.state == STABLE)
        unheard = (self.devices.state == REVERTED) & (self.devices.said != REVERTED + 1)
        return not bool((idle | unheard | (self.devices.state == PROBATION)).any())


def run(setting: Setting, fault: Fault, seed: tuple[int, ...]) -> Run:
    """Let a rollout take its course once; the same seed gives the same run."""
    course = Course(setting, fault, np.random.default_rng(seed))
    takes = max(1, int((~setting.reach.held).sum()))
    adopted, fetched = np.zeros(setting.steps + 1), np.zeros(setting.steps + 1)
    ended_s: int | None = None
    last = 0
    for number in range(-course.past, setting.steps + 1):
        if number > -course.past:
            course.live()
        if number < 0:
            continue
        course.judge()
        last = number
        fetched[number] = course.devices.fetched
        adopted[number] = (course.devices.state == CONFIRMED).sum() / takes
        if ended_s is None and _phase(course) != "rolling":
            ended_s = number * setting.step_s
        if course.is_over:
            break
    adopted[last:] = adopted[last]
    if _phase(course) == "rolledBack":
        adopted[last + 1 :], ended_s = 0.0, last * setting.step_s
    return Run(
        phase=_phase(course),
        ended_s=ended_s,
        opened_s=tuple(
            (ring.name, int((ring.opened_at - setting.now).total_seconds()))
            for ring in (course.progress.rings if course.progress else ())
        ),
        reasons=tuple(dict.fromkeys(each.code for each in course.verdict.reasons)) if course.verdict else (),
        exposed=int((course.devices.state != STABLE).sum()),
        harmed=int(course.devices.harmed.sum()),
        adopted=adopted,
        fetched=fetched,
    )


def _phase(course: Course) -> RolloutPhase:
    return course.view.progress.phase if course.view.progress else "rolling"
