"""A rollout in the middle of its rings, and devices that behave: state in, verdict out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from fakes.desired_states import desired_state
from fakes.reporting_devices import STABLE, counters, model, report
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.documents import judged_files
from ringtide_engine.judge.exposure import is_control, ring_of
from ringtide_engine.judge.tally import tally
from ringtide_engine.model.desired import DesiredState, Gate, Ring, RingPlan
from ringtide_engine.model.evidence import Evidence, Observation, Source, Subject
from ringtide_engine.model.progress import Progress
from ringtide_engine.model.verdict import RolloutView, Verdict
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.cases import Case, case_of

START = datetime.fromisoformat("2026-11-23T09:00:00+00:00")
HOUR = timedelta(hours=1)
NAME = "digits-1.1.0"

Behaviour = Callable[[Subject], ModelReport | None]


def gate(metric: str, compare: str, limit: str, *, devices: int = 1, requests: int = 0) -> Gate:
    return Gate(
        metric=metric,  # type: ignore[arg-type]
        compare=compare,  # type: ignore[arg-type]
        limit=Fraction(limit),
        assurance="observed",
        min_devices=devices,
        min_requests=requests,
    )


GATES = (
    gate("updateSuccess", "atLeast", "95/100", devices=2),
    gate("inferenceSuccess", "atLeast", "99/100", devices=2, requests=100),
    gate("p95Latency", "atMost", "1", devices=2, requests=100),
    gate("wentSilent", "atMost", "1/10"),
)


def ring(name: str, share: str | None, *, cohort: str | None = None, gates: tuple[Gate, ...] = GATES) -> Ring:
    return Ring(
        name=name,
        share=None if share is None else Fraction(share),
        cohort=cohort,
        minimum_per_stratum=1,
        soak=HOUR,
        deadline=timedelta(days=3),
        quorum=Fraction(9, 10),
        spread=timedelta(0),
        windows=(),
        gates=gates,
    )


def plan(*rings: Ring, control: str = "1/20", unit: str = "device") -> RingPlan:
    chosen = rings or (ring("canary", "1/10"), ring("pilot", "1/2"), ring("rest", "1"))
    return RingPlan(path="rings/standard.yaml", name="standard", unit=unit, control=Fraction(control), rings=chosen)


def fleet(
    devices: int = 60,
    *,
    ring_plan: RingPlan | None = None,
    progress: Progress | None = None,
    strata: tuple[str, ...] = (),
) -> DesiredState:
    """Return a fleet with the rollout `digits-1.1.0`."""
    state = desired_state(devices, candidate="1.1.0", progress=progress, strata=strata)
    return replace(state, ring_plans={"standard": ring_plan or plan()})


def case(state: DesiredState) -> Case:
    return case_of(state, resolve(state), state.rollouts[NAME])


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A fleet, its reports so far, and the present."""

    state: DesiredState
    now: datetime = START
    observations: tuple[Observation, ...] = ()
    through: datetime | None = None
    """Until when was collected; the present where None."""

    @property
    def view(self) -> RolloutView:
        return case(self.state).view

    def subjects(self, ring_name: str | None = None) -> tuple[Subject, ...]:
        """Return the rollout's devices, or those of one ring; `control` for the control."""
        everyone, progress = case(self.state).subjects, self.view.progress
        if ring_name is None or progress is None:
            return everyone
        if ring_name == "control":
            return tuple(each for each in everyone if is_control(progress, each))
        return tuple(each for each in everyone if ring_of(progress, each) == ring_name)

    def later(self, span: timedelta) -> "World":
        return replace(self, now=self.now + span)

    def heard(self, behaviour: Behaviour, *, only: Iterable[str] | None = None, number: int | None = None) -> "World":
        """Let devices report now, each what `behaviour` says of it; None is silence."""
        chosen = None if only is None else set(only)
        last = {item.report.device: item.report.number for item in self.observations}
        added = tuple(
            Observation(
                ingested_at=self.now,
                report=report(each.device, {"digits": part}, number or last.get(each.device, 0) + 1),
            )
            for each in self.subjects()
            if (chosen is None or each.device in chosen) and (part := behaviour(each)) is not None
        )
        return replace(self, observations=(*self.observations, *added))

    def evidence(self) -> Evidence:
        view = self.view
        through = self.through or self.now
        return Evidence(
            rollout=NAME,
            candidate="1.1.0",
            now=self.now,
            source="0" * 40,
            sources=(Source(branch="collected/main", commit="1" * 40, through=through),),
            tool="ringtide test",
            tallies=tally(view, self.subjects(), self.observations, now=self.now, through=through),
        )

    def verdict(self) -> Verdict:
        return judged_files(self.view, self.evidence())[0]

    def judged(self) -> "World":
        """Return the world after the verdict was written."""
        return self.with_progress(self.verdict().progress)

    def with_progress(self, progress: Progress) -> "World":
        return replace(self, state=replace(self.state, progress={NAME: progress}))

    def exposed_are(self, part: Callable[[Subject], ModelReport]) -> Behaviour:
        """Return a behaviour: exposed devices as `part` says, the others on the stable release."""
        progress = self.view.progress

        def behave(subject: Subject) -> ModelReport:
            if progress is not None and ring_of(progress, subject) is not None:
                return part(subject)
            return on_stable(subject)

        return behave


def on_stable(subject: Subject) -> ModelReport:
    return model("confirmed", STABLE, counters(STABLE))


def confirmed(subject: Subject) -> ModelReport:
    return model("confirmed", subject.manifest, counters(subject.manifest))


def in_probation(subject: Subject) -> ModelReport:
    return model("probation", subject.manifest, counters(subject.manifest, 5))


def reverted(subject: Subject) -> ModelReport:
    return model("reverted", STABLE, desired=subject.manifest, failed="probation")


def started(devices: int = 60, *, ring_plan: RingPlan | None = None, strata: tuple[str, ...] = ()) -> World:
    """Return a fleet that was heard of, whose first ring has just opened."""
    world = World(state=fleet(devices, ring_plan=ring_plan, strata=strata), now=START - HOUR)
    return world.heard(on_stable).later(HOUR).judged()


def soaked(world: World, part: Callable[[Subject], ModelReport] = confirmed) -> World:
    """Let the exposed devices report, and again after the soak."""
    first = world.later(timedelta(minutes=10))
    first = first.heard(first.exposed_are(part))
    second = first.later(HOUR)
    return second.heard(second.exposed_are(part))
