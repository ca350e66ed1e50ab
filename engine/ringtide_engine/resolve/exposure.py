"""Whom the rings of a rollout expose, counted by stratum, by the arithmetic of the judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import EVERYBODY, NOBODY, Cut, bucket, control_cut, opening_cut, salt
from ringtide_engine.model.assignment import DeviceClass, Resolution
from ringtide_engine.model.desired import DesiredState, RingPlan, Rollout
from ringtide_engine.model.selection import matches
from ringtide_engine.resolve.classes import selectable_labels
from ringtide_engine.resolve.rollouts import ranges_of
from ringtide_engine.resolve.state import rollout_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A rollout's reach."""

    members: Mapping[str, int]
    """Stratum to the devices that the rollout can reach."""
    rings: tuple[Mapping[str, int], ...]
    """Ring after ring, stratum to the devices exposed once the ring is open, those of earlier rings among them."""


def exposure(state: DesiredState, resolution: Resolution, rollout: Rollout, plan: RingPlan) -> Exposure:
    """Count whom the rings reach; rings that are not open yet open here, if the fleet stays as it is."""
    text = salt(state.fleet.name, rollout.name, rollout.candidate)
    units = rollout_units(state, resolution, rollout.name)
    rings: list[dict[str, int]] = [dict.fromkeys(units, 0) for _ in plan.rings]
    for stratum, members in units.items():
        buckets = {device: bucket(text, unit) for device, unit in members}
        predicted = _predicted(state, plan, rollout, stratum, sorted(set(buckets.values())))
        for class_id, places in _by_class(resolution, buckets).items():
            cuts = _cuts(state, plan, rollout, resolution.classes[class_id], predicted)
            for ring, cut in zip(rings, cuts, strict=True):
                ring[stratum] += sum(place < cut for place in places)
    return Exposure(members={stratum: len(each) for stratum, each in units.items()}, rings=tuple(rings))


def _by_class(resolution: Resolution, buckets: Mapping[DeviceId, int]) -> Mapping[str, list[int]]:
    places: dict[str, list[int]] = {}
    for device, place in buckets.items():
        places.setdefault(resolution.class_of[device], []).append(place)
    return places


def _predicted(
    state: DesiredState, plan: RingPlan, rollout: Rollout, stratum: str, buckets: Sequence[int]
) -> Mapping[str, Cut]:
    progress = state.progress.get(rollout.name)
    control = progress.control.get(stratum) if progress else None
    ceiling = control_cut(buckets, plan.control) if control is None else control
    return {
        ring.name: opening_cut(buckets, ring.share, ring.minimum_per_stratum, ceiling)
        for ring in plan.rings
        if ring.share is not None
    }


def _cuts(
    state: DesiredState, plan: RingPlan, rollout: Rollout, device_class: DeviceClass, predicted: Mapping[str, Cut]
) -> list[Cut]:
    """Return the cut of every ring for one class, as opened or as predicted, never shrinking."""
    progress = state.progress.get(rollout.name)
    opened = {each.ring: each.cut for each in ranges_of(state, plan, progress, device_class)}
    labels = selectable_labels(device_class)
    cuts: list[Cut] = []
    reached = NOBODY
    for ring in plan.rings:
        cohort = state.cohorts.get(ring.cohort) if ring.cohort is not None else None
        inside = cohort is not None and matches(cohort.selector, labels)
        expected = predicted.get(ring.name, EVERYBODY if inside else NOBODY)
        if ring is plan.rings[-1]:
            expected = EVERYBODY
        reached = max(reached, opened.get(ring.name, expected))
        cuts.append(reached)
    return cuts
