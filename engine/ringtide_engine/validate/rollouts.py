"""Rollouts: one at a time, with something to bring, through rings that can answer."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ringtide_contract.ids import DeviceId
from ringtide_engine.model.desired import DesiredState, Device, Placement, Rollout
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.proving import evidence_needed, why_unprovable
from ringtide_engine.model.rules import finding
from ringtide_engine.model.selection import stratum_of
from ringtide_engine.model.steady_state import stable_version, unfinished
from ringtide_engine.validate.exposure import reaches
from ringtide_engine.validate.members import served
from ringtide_engine.validate.words import percent

TOLERATED_EXCESS = 2
"""A ring may reach this many times its declared share before a reviewer is told."""


def rollouts(state: DesiredState, members: Mapping[str, Sequence[Device]]) -> Iterator[Finding]:
    """Yield rollouts that are not those judged under their names, and what is wrong with the unfinished ones."""
    for rollout in state.rollouts.values():
        progress = state.progress.get(rollout.name)
        if progress is not None and progress.candidate != rollout.candidate:
            place = state.documents[rollout.path].place("/candidate")
            message = f"{rollout.name} was judged with {progress.candidate}, and brings {rollout.candidate}"
            yield finding("RT-ROLLOUT-004", place, message)
    strata = {each.id: stratum_of(each, state.fleet.strata) for each in served(state)} if state.rollouts else {}
    for placement in state.placements.values():
        under_way = unfinished(state, placement)
        for other, rollout in pairwise(under_way):
            place = state.documents[rollout.path].place("/placement")
            yield finding("RT-ROLLOUT-001", place, f"{other.name} changes {placement.name} too, and is not finished")
        for rollout in under_way:
            if rollout.candidate == stable_version(state, placement):
                place = state.documents[rollout.path].place("/candidate")
                message = f"{placement.name} already runs {placement.model} {rollout.candidate}"
                yield finding("RT-ROLLOUT-002", place, message)
            if rollout.name not in state.progress:  # rings that have opened are facts
                yield from _rings(state, rollout, placement, members, strata)


def _rings(
    state: DesiredState,
    rollout: Rollout,
    placement: Placement,
    members: Mapping[str, Sequence[Device]],
    strata: Mapping[DeviceId, str],
) -> Iterator[Finding]:
    plan = state.ring_plans.get(rollout.ring_plan)
    if plan is None or not members.get(placement.cohort):
        return
    document = state.documents[plan.path]
    for number, (ring, reach) in enumerate(
        zip(plan.rings, reaches(state, rollout, placement, plan, members, strata), strict=True)
    ):
        if ring.share is not None and reach.effective > TOLERATED_EXCESS * ring.share:
            message = f"{ring.name} reaches {percent(reach.effective)} for {rollout.name}, not {percent(ring.share)}"
            yield finding("RT-RING-006", document.place(f"/rings/{number}/share"), message)
        devices = reach.own or reach.before
        for position, gate in enumerate(ring.gates):
            if gate.min_devices > devices:
                message = (
                    f"{ring.name} exposes {devices} devices for {rollout.name}, the gate asks for {gate.min_devices}"
                )
                yield finding("RT-GATE-001", document.place(f"/rings/{number}/gates/{position}/minDevices"), message)
            if gate.assurance == "proven" and why_unprovable(gate) is None:
                needed, compared = evidence_needed(gate), gate.compare == "noWorseThanControl"
                there = min(devices, reach.control) if compared else devices
                if there < needed:
                    what = "pairs with the control" if compared else "devices"
                    message = f"{ring.name} has {there} {what} for {rollout.name}, {needed} without a fault are needed"
                    yield finding("RT-GATE-005", document.place(f"/rings/{number}/gates/{position}/assurance"), message)
