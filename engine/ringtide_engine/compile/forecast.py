"""Which ring reaches which device first, if the fleet stays as it is."""

from bisect import bisect_right
from collections import defaultdict
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
    classes: Mapping[str, Sequence[DeviceId]]
    """Class to the devices."""
    control: Sequence[DeviceId]
    """Those of them that are kept on the stable release to compare with; only of the last ring."""

    @property
    def devices(self) -> tuple[DeviceId, ...]:
        """The devices, sorted."""
        return tuple(sorted(device for devices in self.classes.values() for device in devices))


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
    reached: list[dict[str, list[DeviceId]]] = [defaultdict(list) for _ in plan.rings]
    control: list[DeviceId] = []
    salt = next((each.salt for each in follows.values()), "")
    for stratum, members in units.items():
        buckets = {unit: bucket(salt, unit) for _, unit in members}
        ordered = sorted(set(buckets.values()))
        ceiling = _ceiling(state, plan, rollout, stratum, ordered)
        predicted = _predicted(plan, ordered, ceiling)
        cuts: dict[str, list[Cut]] = {}
        for device, unit in members:
            class_id = resolution.class_of[device]
            if class_id not in follows:
                continue
            if class_id not in cuts:
                cuts[class_id] = _cuts(state, plan, resolution.classes[class_id], follows[class_id], predicted)
            number = bisect_right(cuts[class_id], buckets[unit])
            if number < len(plan.rings):
                reached[number][class_id].append(device)
                if number == len(plan.rings) - 1 and buckets[unit] >= ceiling:
                    control.append(device)
    opened = {each.ring for followed in follows.values() for each in followed.ranges}
    return tuple(
        RingForecast(
            ring=ring.name,
            is_open=ring.name in opened,
            classes=devices,
            control=tuple(control) if ring is plan.rings[-1] else (),
        )
        for ring, devices in zip(plan.rings, reached, strict=True)
    )


def _ceiling(state: DesiredState, plan: RingPlan, rollout: str, stratum: str, buckets: Sequence[int]) -> Cut:
    """Return where the control of a stratum begins."""
    progress = state.progress.get(rollout)
    known = progress.control.get(stratum) if progress else None
    return control_cut(buckets, plan.control) if known is None else known


def _predicted(plan: RingPlan, buckets: Sequence[int], ceiling: Cut) -> Mapping[str, Cut]:
    """Return the cuts that the rings by share would open with in one stratum."""
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
) -> list[Cut]:
    """Return the cuts of one class by ring, as opened or as predicted, never shrinking."""
    known = {each.ring: each.cut for each in followed.ranges}
    labels = {**device_class.labels, HARDWARE_LABEL: device_class.hardware_class}
    cuts: list[Cut] = []
    reached = NOBODY
    for ring in plan.rings:
        cohort = None if ring.cohort is None else state.cohorts.get(ring.cohort)
        inside = cohort is not None and matches(cohort.selector, labels)
        expected = predicted.get(ring.name, EVERYBODY if inside else NOBODY)
        reached = max(reached, known.get(ring.name, expected))
        cuts.append(reached)
    return cuts
