"""Which ring reaches which device first, if the fleet stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import EVERYBODY, NOBODY, Cut, bucket, control_cut, opening_cut
from ringtide_engine.model.assignment import ClassRolloutPlan, DeviceClass, Resolution
from ringtide_engine.model.desired import HARDWARE_LABEL, DesiredState, RingPlan
from ringtide_engine.model.selection import matches

Units = Mapping[str, Sequence[tuple[DeviceId, str]]]
"""Stratum to devices and their units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingForecast:
    """A ring of a rollout, and the devices that it is the first to reach."""

    ring: str
    """Name."""
    is_open: bool
    """Whether the judge has opened it."""
    devices: tuple[DeviceId, ...]
    """The devices, sorted."""


def forecast(state: DesiredState, resolution: Resolution, rollout: str, units: Units) -> tuple[RingForecast, ...]:
    """Return the rings of a rollout under way, in the plan's order.

    Rings that are not open yet open here by the rules that the judge follows: shares with their minimum per stratum,
    cohorts, the control kept out until the last ring, which reaches everybody.
    """
    plan = state.ring_plans[state.rollouts[rollout].ring_plan]
    follows = {
        each.class_id: each.rollout
        for each in resolution.assignments
        if each.rollout is not None and each.rollout.rollout == rollout
    }
    reached: dict[str, list[DeviceId]] = {ring.name: [] for ring in plan.rings}
    opened: set[str] = set()
    for stratum, members in units.items():
        salt = next((each.salt for each in follows.values()), "")
        buckets = {device: bucket(salt, unit) for device, unit in members}
        predicted = _predicted(state, plan, rollout, stratum, sorted(set(buckets.values())))
        for device, place in buckets.items():
            class_id = resolution.class_of[device]
            if class_id in follows:
                cuts = _cuts(state, plan, resolution.classes[class_id], follows[class_id], predicted)
                ring = next((name for name, cut in cuts.items() if place < cut), None)
                if ring is not None:
                    reached[ring].append(device)
    for followed in follows.values():
        opened |= {each.ring for each in followed.ranges}
    return tuple(
        RingForecast(ring=name, is_open=name in opened, devices=tuple(sorted(devices)))
        for name, devices in reached.items()
    )


def _predicted(
    state: DesiredState, plan: RingPlan, rollout: str, stratum: str, buckets: Sequence[int]
) -> Mapping[str, Cut]:
    """Return the cuts that the rings by share would open with in one stratum."""
    progress = state.progress.get(rollout)
    control = progress.control.get(stratum) if progress else None
    ceiling = control_cut(buckets, plan.control) if control is None else control
    cuts = {
        ring.name: opening_cut(buckets, ring.share, ring.minimum_per_stratum, ceiling)
        for ring in plan.rings
        if ring.share is not None
    }
    return {**cuts, plan.rings[-1].name: EVERYBODY}


def _cuts(
    state: DesiredState,
    plan: RingPlan,
    device_class: DeviceClass,
    followed: ClassRolloutPlan,
    predicted: Mapping[str, Cut],
) -> Mapping[str, Cut]:
    """Return ring to cut for one class, as opened or as predicted, never shrinking."""
    known = {each.ring: each.cut for each in followed.ranges}
    labels = {**device_class.labels, HARDWARE_LABEL: device_class.hardware_class}
    cuts: dict[str, Cut] = {}
    reached = NOBODY
    for ring in plan.rings:
        cohort = None if ring.cohort is None else state.cohorts.get(ring.cohort)
        inside = cohort is not None and matches(cohort.selector, labels)
        expected = predicted.get(ring.name, EVERYBODY if inside else NOBODY)
        reached = max(reached, known.get(ring.name, expected))
        cuts[ring.name] = reached
    return cuts
