"""Where the rings of a rollout cut the buckets: as opened, else as the judge would open them now."""

from collections.abc import Mapping, Sequence

from ringtide_contract.membership import EVERYBODY, NOBODY, Cut, control_cut, opening_cut
from ringtide_engine.model.assignment import DeviceClass
from ringtide_engine.model.desired import DesiredState, RingPlan
from ringtide_engine.model.selection import matches


def control_from(state: DesiredState, plan: RingPlan, rollout: str, stratum: str, buckets: Sequence[int]) -> Cut:
    """Return where the control of a stratum begins: as recorded, else over the sorted `buckets` of its units."""
    progress = state.progress.get(rollout)
    known = progress.control.get(stratum) if progress else None
    return control_cut(buckets, plan.control) if known is None else known


def predicted_cuts(plan: RingPlan, buckets: Sequence[int], control: Cut) -> Mapping[str, Cut]:
    """Return the cuts that the rings by share and the last ring would open with in one stratum."""
    cuts = {
        ring.name: opening_cut(buckets, ring.share, ring.minimum_per_stratum, control)
        for ring in plan.rings
        if ring.share is not None
    }
    return {**cuts, plan.rings[-1].name: EVERYBODY}


def class_cuts(
    state: DesiredState,
    plan: RingPlan,
    device_class: DeviceClass,
    opened: Mapping[str, Cut],
    predicted: Mapping[str, Cut],
) -> list[Cut]:
    """Return the cut of every ring for one class, as opened or as predicted, never shrinking."""
    cuts: list[Cut] = []
    reached = NOBODY
    for ring in plan.rings:
        cohort = None if ring.cohort is None else state.cohorts.get(ring.cohort)
        inside = cohort is not None and matches(cohort.selector, device_class.selectable_labels)
        expected = predicted.get(ring.name, EVERYBODY if inside else NOBODY)
        reached = max(reached, opened.get(ring.name, expected))
        cuts.append(reached)
    return cuts
