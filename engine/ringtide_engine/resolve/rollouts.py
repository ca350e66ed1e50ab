"""The rollout under way on a placement, and its rings as one class sees them."""

from ringtide_contract.class_file import RingRange
from ringtide_contract.membership import EVERYBODY, NOBODY, Cut
from ringtide_engine.model.assignment import DeviceClass
from ringtide_engine.model.budgets import cell_of
from ringtide_engine.model.desired import DesiredState, Placement, RingPlan, Rollout
from ringtide_engine.model.progress import OpenedRing, Progress
from ringtide_engine.model.selection import matches
from ringtide_engine.model.steady_state import rollouts_of


def rollout_under_way(state: DesiredState, placement: Placement) -> tuple[Rollout, Progress | None] | None:
    """Return the unfinished rollout of a placement and its progress, None where there is none.

    Two at once are a finding; the one that has exposed devices goes first, then the first by name.
    """
    unfinished = [
        (rollout, progress)
        for rollout, progress in rollouts_of(state, placement)
        if progress is None or progress.phase == "rolling"
    ]
    return min(unfinished, key=lambda each: (each[1] is None, each[0].name), default=None)


def ranges_of(
    state: DesiredState, plan: RingPlan | None, progress: Progress | None, device_class: DeviceClass
) -> tuple[RingRange, ...]:
    """Return the open rings with the cuts of one class, never shrinking from ring to ring."""
    rings = {ring.name: ring for ring in plan.rings} if plan else {}
    ranges: list[RingRange] = []
    reached = NOBODY
    zones = state.fleet.time_zones
    zone = (zones.of(device_class.selectable_labels) if zones else None) or "UTC"  # without a zone check refuses it
    for opened in progress.rings if progress else ():
        reached = max(reached, _cut(state, opened, device_class))
        ring = rings.get(opened.name)
        ranges.append(
            RingRange(
                ring=opened.name,
                cut=reached,
                not_before=opened.opened_at,
                spread_s=int(ring.spread.total_seconds()) if ring else 0,
                windows=ring.windows_in(zone) if ring else (),
            )
        )
    return tuple(ranges)


def _cut(state: DesiredState, opened: OpenedRing, device_class: DeviceClass) -> Cut:
    """Return the cut of one ring.

    A stratum that appeared after a ring by share had opened is not in it: nobody weighed its size, so it waits for the
    judge. A cohort that is gone reaches nobody more. Where budgets hold, a class has the cut of its groups.
    """
    if opened.admitted is not None:
        cell = cell_of(device_class.selectable_labels, state.fleet.budgets)
        if cell:
            return min(_reach(state, opened, device_class), opened.admitted.get(cell, NOBODY))
    return _reach(state, opened, device_class)


def _reach(state: DesiredState, opened: OpenedRing, device_class: DeviceClass) -> Cut:
    if opened.cohort is None:
        return opened.cuts.get(device_class.stratum, NOBODY)
    cohort = state.cohorts.get(opened.cohort)
    if cohort is None or not matches(cohort.selector, device_class.selectable_labels):
        return NOBODY
    return opened.cuts.get(device_class.stratum, EVERYBODY)
