"""Simulate: what a rollout would do to this very fleet, by the real resolution, opening and judgement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest
from ringtide_engine.compile.manifests import make_manifest
from ringtide_engine.judge.tally import SILENCE
from ringtide_engine.judge.verdict import decide
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.assignment import Choice, Resolution
from ringtide_engine.model.budgets import groups_of
from ringtide_engine.model.desired import HARDWARE_LABEL, DesiredState, Rollout
from ringtide_engine.model.evidence import Evidence, Subject
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.selection import labels_of
from ringtide_engine.model.verdict import RolloutView, Verdict
from ringtide_engine.resolve import resolve
from ringtide_engine.simulate.answers import Outcome, Simulation
from ringtide_engine.simulate.assumptions import SOUND, Assumptions, Fault
from ringtide_engine.simulate.course import Run, Setting, run
from ringtide_engine.simulate.reach import reach_of
from ringtide_engine.workflows.cases import case_of, waits_for
from ringtide_engine.workflows.plan import with_judgement_of

LARGE = 10_000
"""From so many devices on the judge looks once an hour."""

SLOW = timedelta(days=1)
"""Where every ring soaks for so long, too: a quarter of an hour decides nothing there."""

MAX_STEPS = 100_000
"""More steps than that are a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a simulation."""

    fault: Fault
    """What is wrong with the faulty candidate."""
    assumed: Assumptions = field(default_factory=Assumptions)
    """What devices are like."""
    runs: int = 20
    """Runs of each candidate."""
    days: int = 21
    """Days to simulate."""
    seed: int = 1
    """Seed of chance; the same one gives the same answers."""


def simulate(
    state: DesiredState, name: str, question: Question, *, now: datetime, tell: Callable[[int, int], None] | None = None
) -> Simulation:
    """Simulate a rollout that has not ended, with a sound candidate and with a faulty one.

    People are taken to approve at once, and not to pause or abort. Devices that the rollout cannot reach are taken to be
    available to the fleet's disruption budgets.

    Args:
        state: The desired state.
        name: The rollout.
        question: What is asked.
        now: The present.
        tell: Hears of every run that is done, and of how many there are.

    Raises:
        InputError: There is no such rollout, it cannot be simulated, or there is no such stratum or label.
    """
    setting = setting_of(state, name, question, now=now)
    done = 0

    def count(_: Run) -> None:
        nonlocal done
        done += 1
        if tell is not None:
            tell(done, 2 * question.runs)

    sound = _runs(setting, SOUND, question, count)
    return _answers(setting, question, sound, _runs(setting, question.fault, question, count))


def foretold_by(
    plan: Plan, base_files: Mapping[str, bytes] | None, files: Mapping[str, bytes], *, now: datetime
) -> tuple[str, ...]:
    """Return for each rollout of a plan, in one sentence, what a candidate that breaks one device in twenty would do.

    Args:
        plan: The plan of a change.
        base_files: What the change starts from; its progress is the judge's.
        files: What the change makes of it.
        now: The present.
    """
    state = load_desired(with_judgement_of(base_files, files)).state
    causes = {row.cause for row in plan.rows if row.ring is not None}
    question = Question(fault=Fault(fails=0.05))
    said: list[str] = []
    if state is None:
        return ()
    for name in sorted(each for each in state.rollouts if f"rollout {each}" in causes):
        try:
            setting = setting_of(state, name, question, now=now)
        except InputError as error:
            said.append(f"rollout {name} is not simulated: {error}")
            continue
        none = Outcome(runs=(), step_s=setting.step_s)
        faulty = _runs(setting, question.fault, question, lambda _: None)
        said.append(_answers(setting, question, none, faulty).sentence)
    return tuple(said)


def _runs(setting: Setting, fault: Fault, question: Question, done: Callable[[Run], None]) -> Outcome:
    made: list[Run] = []
    for number in range(question.runs):
        made.append(run(setting, fault, (question.seed, int(fault is not SOUND), number)))
        done(made[-1])
    return Outcome(runs=tuple(made), step_s=setting.step_s)


def _answers(setting: Setting, question: Question, sound: Outcome, faulty: Outcome) -> Simulation:
    reach, view = setting.reach, setting.view
    return Simulation(
        rollout=view.rollout.name,
        model=view.model,
        candidate=view.rollout.candidate,
        ring_plan=view.plan.name,
        now=setting.now,
        days=question.days,
        seed=question.seed,
        devices=reach.count,
        strata={stratum: int((reach.stratum == place).sum()) for place, stratum in enumerate(reach.strata)},
        assumed=question.assumed,
        fault=question.fault,
        sound=sound,
        faulty=faulty,
    )


def setting_of(state: DesiredState, name: str, question: Question, *, now: datetime) -> Setting:
    """Return what all runs of a simulation share.

    Raises:
        InputError: As `simulate`.
    """
    resolution = resolve(state)
    rollout = _rollout(state, resolution, name)
    case = case_of(state, resolution, rollout)
    if case.view.banned is not None:
        raise InputError(f"{case.view.model} {rollout.candidate} is under quarantine: {case.view.banned}")
    if not case.subjects:
        raise InputError(
            f"rollout {name} reaches no device: its placement's cohort is empty, or every device is pinned"
        )
    candidate = state.releases[case.view.model, rollout.candidate]
    fetched = _fetched(state, resolution, rollout)
    hourly = len(case.subjects) >= LARGE or all(ring.soak >= SLOW for ring in case.view.plan.rings)
    step_s = max(int(state.fleet.ingest_interval.total_seconds()), 3600 if hourly else 900)
    if question.days * 86_400 > MAX_STEPS * step_s:
        raise InputError(f"{question.days} days are more than {MAX_STEPS} steps of {step_s} s")
    hurt = _hurt(state, case.subjects, question.fault.only)
    return Setting(
        view=without_people(case.view),
        reach=reach_of(
            case.subjects,
            lambda subject: fetched.get(state.devices[subject.device].hardware_class, 0),
            hurt,
            lambda subject: _zone(state, subject),
            lambda subject: groups_of(labels_of(state.devices[subject.device]), state.fleet.budgets),
        ),
        terms=candidate.probation or state.fleet.probation,
        assumed=question.assumed,
        decide=_judge,
        silence=SILENCE,
        now=now.replace(microsecond=0),
        days=question.days,
        step_s=step_s,
    )


def without_people(view: RolloutView) -> RolloutView:
    """Return a rollout that waits for nobody: approved, not paused, not aborted."""
    rings = tuple(replace(ring, approval=None) for ring in view.plan.rings)
    rollout = replace(view.rollout, paused=None, abort=None)
    return replace(view, rollout=rollout, plan=replace(view.plan, rings=rings), candidates=())


def _judge(view: RolloutView, evidence: Evidence) -> Verdict:
    return decide(view, evidence, "simulated")


def _rollout(state: DesiredState, resolution: Resolution, name: str) -> Rollout:
    rollout = state.rollouts.get(name)
    if rollout is None:
        raise InputError(f"there is no rollout {name}; there are: {', '.join(sorted(state.rollouts)) or 'none'}")
    progress = state.progress.get(name)
    if progress is not None and progress.phase != "rolling":
        ended = "completed" if progress.phase == "completed" else "rolled back"
        raise InputError(f"rollout {name} is {ended}: nothing is left to simulate")
    ahead = waits_for(state, resolution, rollout)
    if ahead is not None:
        raise InputError(f"rollout {name} waits for rollout {ahead} of the same placement; simulate that one")
    return rollout


def _fetched(state: DesiredState, resolution: Resolution, rollout: Rollout) -> dict[str, int]:
    """Return hardware class to the bytes that a device with the stable release fetches for the candidate."""
    found: dict[str, int] = {}
    for assignment in resolution.assignments:
        plan = assignment.rollout
        if assignment.placement == rollout.placement and plan is not None and plan.rollout == rollout.name:
            has = _files(assignment.stable) if assignment.stable else frozenset()
            hardware = resolution.classes[assignment.class_id].hardware_class
            found[hardware] = make_manifest(state.fleet, plan.candidate, state.hardware[hardware]).fetch_bytes(has)
    return found


def _zone(state: DesiredState, subject: Subject) -> str:
    zones = state.fleet.time_zones
    return (zones.of(labels_of(state.devices[subject.device])) if zones else None) or "UTC"


def _files(choice: Choice) -> frozenset[Digest]:
    golden = choice.release.golden
    return frozenset((choice.variant.file.sha256, *(() if golden is None else (golden.sha256,))))


def _hurt(state: DesiredState, subjects: tuple[Subject, ...], only: str | None) -> Callable[[Subject], bool]:
    """Return whom a fault can hurt.

    Raises:
        InputError: Neither a stratum of the rollout nor a label of its devices.
    """
    if only is None:
        return lambda _: True
    strata = sorted({each.stratum for each in subjects})
    if only in strata:
        return lambda subject: subject.stratum == only
    label, is_pair, value = only.partition("=")
    devices = {each.device for each in subjects if labels_of(state.devices[each.device]).get(label) == value}
    if is_pair and devices:
        return lambda subject: subject.device in devices
    known = f"strata are {', '.join(strata[:10])}{', …' if len(strata) > 10 else ''}"
    raise InputError(
        f"{only} is no stratum of the rollout, and no label=value of its devices, such as {HARDWARE_LABEL}=…; {known}"
    )
