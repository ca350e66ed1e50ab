"""Whom the rings of a rollout would reach, by the same arithmetic as the judge's."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import EVERYBODY, Cut, bucket, control_cut, opening_cut, salt
from ringtide_engine.model.desired import DesiredState, Device, Placement, Ring, RingPlan, Rollout
from ringtide_engine.model.fitness import unmet
from ringtide_engine.model.selection import labels_of


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
    strata: Mapping[DeviceId, str],
) -> tuple[Reach, ...]:
    """Return what every ring of a rollout reaches, in order; a pinned device stays where it is.

    Args:
        state: The desired state.
        rollout: The rollout.
        placement: What it changes.
        plan: Its rings.
        members: Devices of every cohort in use.
        strata: Stratum of every device that is not retired.
    """
    able = _able(state, placement, rollout)
    text = salt(state.fleet.name, rollout.name, rollout.candidate)
    units: dict[str, dict[str, int]] = {}
    chosen = [{each.id for each in members.get(ring.cohort, ())} if ring.cohort else None for ring in plan.rings]
    everywhere = (True,) * len(plan.rings) if not any(ring.cohort for ring in plan.rings) else None
    active: dict[tuple[str, tuple[bool, ...]], list[int]] = {}  # buckets by stratum and the rings that choose it
    for each in members.get(placement.cohort, ()):
        if each.hardware_class not in able or any(pin.model == placement.model for pin in each.pins):
            continue
        name, unit = strata[each.id], _unit(each, plan.unit)
        known = units.setdefault(name, {})
        if unit not in known:
            known[unit] = bucket(text, unit)
        if each.state == "active":
            inside = everywhere or tuple([one is None or each.id in one for one in chosen])
            active.setdefault((name, inside), []).append(known[unit])
    buckets = {name: list(known.values()) for name, known in units.items()}
    cuts = [_cuts(plan, ring, buckets) for ring in plan.rings]
    counts = [_Counts() for _ in plan.rings]
    for (name, inside), places in active.items():
        places.sort()
        border, reached = bisect_left(places, control_cut(buckets[name], plan.control)), 0
        for each_counts, cut, chooses in zip(counts, cuts, inside, strict=True):
            exposed = max(reached, bisect_left(places, cut[name])) if chooses else reached
            each_counts.own += exposed - reached
            each_counts.before += reached
            each_counts.control += len(places) - max(border, exposed)
            reached = exposed
    return tuple(
        Reach(own=each.own, before=each.before, control=each.control, effective=_effective(ring, buckets))
        for ring, each in zip(plan.rings, counts, strict=True)
    )


@dataclass(slots=True)
class _Counts:
    """What has been counted for a ring, stratum after stratum."""

    own: int = 0
    before: int = 0
    control: int = 0


def _able(state: DesiredState, placement: Placement, rollout: Rollout) -> frozenset[str]:
    """Return the hardware classes that some variant of the candidate fits."""
    release = state.releases.get((placement.model, rollout.candidate))
    variants = release.variants if release else ()
    return frozenset(
        name for name, hardware in state.hardware.items() if any(not unmet(each, hardware) for each in variants)
    )


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
