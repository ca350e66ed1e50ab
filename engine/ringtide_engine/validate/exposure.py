"""Whom the rings of a rollout would reach, by the same arithmetic as the judge's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from ringtide_contract.membership import EVERYBODY, Cut, bucket, control_cut, opening_cut, salt
from ringtide_engine.model.desired import DesiredState, Device, Placement, Ring, RingPlan, Rollout
from ringtide_engine.model.fitness import unmet
from ringtide_engine.model.selection import labels_of, stratum_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One ring of a rollout that has not begun."""

    own: int
    """Devices that it exposes and no ring before it; held devices take nothing and are not counted."""
    before: int
    """Devices that rings before it expose."""
    control: int
    """Devices beside them that are kept on the stable release to compare with."""
    effective: Fraction
    """Share of all units that a ring by share reaches, by rounding up and by the minimum in each stratum."""


def reaches(
    state: DesiredState,
    rollout: Rollout,
    placement: Placement,
    plan: RingPlan,
    members: Mapping[str, Sequence[Device]],
) -> tuple[Reach, ...]:
    """Return what every ring of a rollout reaches, in order; a pinned device stays where it is."""
    devices = [each for each in members.get(placement.cohort, ()) if _may_take(state, each, placement, rollout)]
    text = salt(state.fleet.name, rollout.name, rollout.candidate)
    unit_of = {each.id: _unit(each, plan.unit) for each in devices}
    bucket_of = {unit: bucket(text, unit) for unit in sorted(set(unit_of.values()))}
    stratum = {each.id: stratum_of(each, state.fleet.strata) for each in devices}
    units: dict[str, set[str]] = {}
    for each in devices:
        units.setdefault(stratum[each.id], set()).add(unit_of[each.id])
    buckets = {name: [bucket_of[unit] for unit in sorted(within)] for name, within in units.items()}
    active = {each.id for each in devices if each.state == "active"}
    borders = {name: control_cut(within, plan.control) for name, within in buckets.items()}
    control = {each for each in active if bucket_of[unit_of[each]] >= borders[stratum[each]]}
    exposed: set[str] = set()
    answer: list[Reach] = []
    for ring in plan.rings:
        cuts = _cuts(plan, ring, buckets)
        chosen = {each.id for each in members.get(ring.cohort, ())} if ring.cohort else stratum.keys()
        inside = {each for each in unit_of if bucket_of[unit_of[each]] < cuts[stratum[each]] and each in chosen}
        answer.append(
            Reach(
                own=len((inside - exposed) & active),
                before=len(exposed & active),
                control=len(control - exposed - inside),
                effective=_effective(ring, buckets),
            )
        )
        exposed |= inside
    return tuple(answer)


def _may_take(state: DesiredState, device: Device, placement: Placement, rollout: Rollout) -> bool:
    if any(pin.model == placement.model for pin in device.pins):
        return False
    release = state.releases.get((placement.model, rollout.candidate))
    hardware = state.hardware.get(device.hardware_class)
    return bool(release and hardware and any(not unmet(each, hardware) for each in release.variants))


def _unit(device: Device, unit: str) -> str:
    return device.id if unit == "device" else labels_of(device).get(unit, device.id)


def _cuts(plan: RingPlan, ring: Ring, buckets: Mapping[str, Sequence[int]]) -> Mapping[str, Cut]:
    if ring is plan.rings[-1] or ring.share is None:
        return dict.fromkeys(buckets, EVERYBODY)
    share, least = ring.share, ring.minimum_per_stratum
    return {name: opening_cut(each, share, least, control_cut(each, plan.control)) for name, each in buckets.items()}


def _effective(ring: Ring, buckets: Mapping[str, Sequence[int]]) -> Fraction:
    share, least, total = ring.share, ring.minimum_per_stratum, sum(map(len, buckets.values()))
    if share is None or not total:
        return Fraction(0)
    return Fraction(sum(min(len(each), max(least, ceil(share * len(each)))) for each in buckets.values()), total)
