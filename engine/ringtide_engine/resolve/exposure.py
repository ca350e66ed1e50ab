"""Whom the rings of a rollout expose, counted by stratum, by the arithmetic of the judge."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import bucket, salt
from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState, RingPlan, Rollout
from ringtide_engine.model.ring_cuts import class_cuts, control_from, predicted_cuts
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
    progress = state.progress.get(rollout.name)
    units = rollout_units(state, resolution, rollout.name)
    rings: list[dict[str, int]] = [dict.fromkeys(units, 0) for _ in plan.rings]
    for stratum, members in units.items():
        buckets = {device: bucket(text, unit) for device, unit in members}
        ordered = sorted(set(buckets.values()))
        predicted = predicted_cuts(plan, ordered, control_from(state, plan, rollout.name, stratum, ordered))
        for class_id, places in _by_class(resolution, buckets).items():
            device_class = resolution.classes[class_id]
            opened = {each.ring: each.cut for each in ranges_of(state, plan, progress, device_class)}
            cuts = class_cuts(state, plan, device_class, opened, predicted)
            for ring, cut in zip(rings, cuts, strict=True):
                ring[stratum] += sum(place < cut for place in places)
    return Exposure(members={stratum: len(each) for stratum, each in units.items()}, rings=tuple(rings))


def _by_class(resolution: Resolution, buckets: Mapping[DeviceId, int]) -> Mapping[str, list[int]]:
    places: dict[str, list[int]] = {}
    for device, place in buckets.items():
        places.setdefault(resolution.class_of[device], []).append(place)
    return places
