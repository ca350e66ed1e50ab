"""The desired state at a commit, and from it the case of each rollout that the judge looks at."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ringtide_contract.class_file import assign
from ringtide_contract.errors import InputError
from ringtide_engine.compile.manifests import Manifests, make_manifest
from ringtide_engine.compile.tree import make_class_files, make_index_rows
from ringtide_engine.judge.budgets import Asked
from ringtide_engine.judge.view import subjects_of, view_of
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.assignment import Choice, Resolution
from ringtide_engine.model.budgets import Candidate, allowances, groups_of
from ringtide_engine.model.desired import DesiredState, Rollout
from ringtide_engine.model.evidence import Subject
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.selection import labels_of
from ringtide_engine.model.verdict import RolloutView
from ringtide_engine.ports import Repository
from ringtide_engine.resolve.state import resolve, rollout_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rollout with everything about it that Git says."""

    view: RolloutView
    """The rollout."""
    subjects: tuple[Subject, ...]
    """Devices that it can reach."""


def read_state(fleet: Repository, commit: str) -> DesiredState:
    """Load the desired state of a commit.

    Raises:
        FindingsError: It has errors.
    """
    loaded = load_desired(fleet.files(commit))
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    return loaded.state


def cases_of(state: DesiredState, now: datetime) -> tuple[Case, ...]:
    """Return the cases that are open, by name of the rollout.

    Raises:
        InputError: A rollout names something that is not there.
    """
    resolution = resolve(state)
    return tuple(
        case_of(state, resolution, rollout)
        for _, rollout in sorted(state.rollouts.items())
        if is_watched(state, rollout, now) and waits_for(state, resolution, rollout) is None
    )


def is_watched(state: DesiredState, rollout: Rollout, now: datetime) -> bool:
    """Tell whether there is still something to decide.

    A completed rollout is watched for late failures for as long as the deadline of its last ring once more, while it
    alone makes its candidate the steady state.
    """
    progress = state.progress.get(rollout.name)
    if progress is None or progress.phase == "rolling":
        return True
    placement, plan = state.placements.get(rollout.placement), state.ring_plans.get(rollout.ring_plan)
    if progress.phase == "rolledBack" or placement is None or plan is None:
        return False
    return placement.release != progress.candidate and now < progress.last.at + plan.rings[-1].deadline


def waits_for(state: DesiredState, resolution: Resolution, rollout: Rollout) -> str | None:
    """Return the rollout of the same placement that goes first, or None where none does."""
    progress = state.progress.get(rollout.name)
    if progress is not None and progress.phase != "rolling":
        return None
    for assignment in resolution.assignments:
        ahead = assignment.rollout
        if assignment.placement == rollout.placement and ahead is not None and ahead.rollout != rollout.name:
            return ahead.rollout
    return None


def case_of(state: DesiredState, resolution: Resolution, rollout: Rollout) -> Case:
    """Return the case of one rollout.

    Raises:
        InputError: It names something that is not there.
    """
    placement = state.placements.get(rollout.placement)
    if placement is None:
        raise InputError(f"{rollout.path}: there is no placement {rollout.placement}; run `ringtide check`")
    if rollout.ring_plan not in state.ring_plans:
        raise InputError(f"{rollout.path}: there is no ring plan {rollout.ring_plan}; run `ringtide check`")
    if (placement.model, rollout.candidate) not in state.releases:
        named = f"{placement.model} {rollout.candidate}"
        raise InputError(f"{rollout.path}: there is no release {named}; run `ringtide check`")
    units = rollout_units(state, resolution, rollout.name)
    view = view_of(state, rollout, units)
    manifests = {
        hardware: make_manifest(state.fleet, choice, state.hardware[hardware])
        for hardware, choice in _choices(resolution, rollout).items()
    }
    subjects = subjects_of(state, resolution, view, units, manifests)
    if state.fleet.budgets:
        allowed = allowances(map(labels_of, resolution.devices.values()), state.fleet.budgets)
        view = replace(view, budgets=allowed, candidates=_candidates(state, resolution, subjects))
    return Case(view=view, subjects=subjects)


def asked_of(state: DesiredState, resolution: Resolution) -> Asked:
    """Return what the devices that budgets count shall run by now."""
    manifests = Manifests(state.fleet)
    files = make_class_files(state, resolution, manifests)
    models: dict[str, list[str]] = defaultdict(list)
    for class_id, model in files:
        models[class_id].append(model)
    return {
        name: {model: assign(files[row.class_id, model], row, name).manifest for model in models[row.class_id]}
        for name, row in make_index_rows(state, resolution, manifests).items()
        if groups_of(labels_of(resolution.devices[name]), state.fleet.budgets)
    }


def _candidates(state: DesiredState, resolution: Resolution, subjects: Sequence[Subject]) -> tuple[Candidate, ...]:
    budgets = state.fleet.budgets
    return tuple(
        Candidate(
            bucket=each.bucket,
            stratum=each.stratum,
            cell="/".join(groups),
            groups=groups,
            cohorts=each.cohorts,
            held=each.held,
        )
        for each in subjects
        if (groups := groups_of(labels_of(resolution.devices[each.device]), budgets))
    )


def _choices(resolution: Resolution, rollout: Rollout) -> dict[str, Choice]:
    """Return what each hardware class runs of the candidate: while it is rolled out, and once it is the stable one."""
    choices: dict[str, Choice] = {}
    for assignment in resolution.assignments:
        if assignment.placement != rollout.placement:
            continue
        hardware = resolution.classes[assignment.class_id].hardware_class
        if assignment.rollout is not None and assignment.rollout.rollout == rollout.name:
            choices[hardware] = assignment.rollout.candidate
        elif assignment.stable is not None and assignment.stable.release.version == rollout.candidate:
            choices[hardware] = assignment.stable
    return choices
