"""Which ring reaches which device first, if the fleet stays as it is."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import Cut, bucket
from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.ring_cuts import class_cuts, control_from, predicted_cuts

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
        ceiling = control_from(state, plan, rollout, stratum, ordered)
        predicted = predicted_cuts(plan, ordered, ceiling)
        cuts: dict[str, list[Cut]] = {}
        for device, unit in members:
            class_id = resolution.class_of[device]
            if class_id not in follows:
                continue
            if class_id not in cuts:
                opened_at = {each.ring: each.cut for each in follows[class_id].ranges}
                cuts[class_id] = class_cuts(state, plan, resolution.classes[class_id], opened_at, predicted)
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
