"""Deletion is guarded: what vanishes between the base and the change was meant to, or it is a finding."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.progress import Progress
from ringtide_engine.model.rules import finding
from ringtide_engine.model.steady_state import stable_version
from ringtide_engine.validate.members import members_of, served
from ringtide_engine.validate.words import percent

MAX_REMOVED = Fraction(1, 5)
"""A larger part of the fleet does not vanish in one change by intent."""


def guard(state: DesiredState, base: DesiredState, members: Mapping[str, Sequence[Device]]) -> Iterator[Finding]:
    """Yield what has vanished since `base`."""
    before = members_of(base)
    for name in sorted(base.placements):
        was = base.placements[name]
        if stable_version(base, was) is None or not before.get(was.cohort):
            continue
        placement = state.placements.get(name)
        if placement is None:
            message = f"{name} installs {was.model} on {len(before[was.cohort])} devices and is gone"
            yield finding("RT-GUARD-002", Place(path=was.path), message)
        elif placement.cohort in state.cohorts and not members[placement.cohort] and placement.release is not None:
            place = state.documents[placement.path].place("/cohort")
            message = f"{placement.cohort} chooses none of the {len(before[was.cohort])} devices that {name} reached"
            yield finding("RT-GUARD-001", place, message)
    yield from _folded(state, base)
    known = [device.id for device in served(base)]
    removed = [device for device in known if device not in state.devices]
    if known and Fraction(len(removed), len(known)) > MAX_REMOVED:
        message = f"{len(removed)} of {len(known)} devices are gone, more than {percent(MAX_REMOVED)}"
        yield finding("RT-GUARD-003", Place(path=base.devices[removed[0]].path), message)


def _folded(state: DesiredState, base: DesiredState) -> Iterator[Finding]:
    """Yield completed rollouts that went while their release, or one that completed later, does not stay."""
    for name in sorted(base.rollouts.keys() - state.rollouts.keys()):
        was, progress = base.rollouts[name], state.progress.get(name)
        placement = state.placements.get(was.placement)
        if progress is None or progress.phase != "completed" or placement is None:
            continue
        before, runs = base.placements.get(was.placement), stable_version(state, placement)
        if runs is None and before is not None and before.release is not None:
            continue  # the model is taken away on purpose
        since = (each for each in state.progress.values() if each.last.at >= progress.last.at)
        if runs not in {each.candidate for each in since if _completed_on(was.placement, each, state, base)}:
            place = state.documents[placement.path].place("/release")
            message = (
                f"{name} completed with {placement.model} {progress.candidate} and is gone, "
                f"so {placement.name} would run {runs or 'nothing'}"
            )
            yield finding("RT-GUARD-004", place, message)


def _completed_on(placement: str, progress: Progress, state: DesiredState, base: DesiredState) -> bool:
    # A rollout that came and went since the base could be of any placement; its release tells.
    rollout = state.rollouts.get(progress.rollout) or base.rollouts.get(progress.rollout)
    mine = progress.rollout not in base.progress if rollout is None else rollout.placement == placement
    return mine and progress.phase == "completed"
