"""Whom a rollout can reach, as arrays: the subjects of the judge, in the order of their ids."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import EVERYBODY, NOBODY, Cut
from ringtide_engine.model.budgets import Candidate
from ringtide_engine.model.evidence import Subject
from ringtide_engine.model.progress import OpenedRing, Progress

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Devices that a rollout can reach; what has one value a device is in the order of ids."""

    ids: Sequence[DeviceId]
    """Ids, sorted."""
    strata: tuple[str, ...]
    """Names of the strata, sorted."""
    stratum: Ints
    """Place of each device's stratum in `strata`."""
    bucket: NDArray[np.uint64]
    """Bucket of each device's unit."""
    held: Bools
    """Devices that take nothing new."""
    cohorts: Mapping[str, Bools]
    """Cohort of a ring to the devices in it."""
    budget_us: Ints
    """Latency budget, by stratum."""
    fetched: Ints
    """Bytes that each device fetches for the candidate."""
    hurt: Bools
    """Devices that a faulty candidate can hurt."""
    zones: tuple[str, ...]
    """Time zones of the devices, sorted."""
    zone: Ints
    """Place of each device's zone in `zones`."""
    candidates: Sequence[Candidate | None]
    """Each device as the judge's budgets see it; None where it is in no group."""

    @property
    def count(self) -> int:
        """How many devices."""
        return len(self.ids)

    def inside(self, ring: OpenedRing) -> Bools:
        """Return the devices that an open ring reaches, by the rule of the judge: bucket below the stratum's cut."""
        unweighed = NOBODY if ring.cohort is None else EVERYBODY
        reached = below(self.bucket, self.stratum, [ring.cuts.get(name, unweighed) for name in self.strata])
        return reached if ring.cohort is None else reached & self.cohorts[ring.cohort]

    def ring_of(self, progress: Progress) -> Ints:
        """Return the place of the first open ring that exposes each device, -1 where none does."""
        found = np.full(self.count, -1, np.int64)
        for place in reversed(range(len(progress.rings))):
            found[self.inside(progress.rings[place])] = place
        return found

    def control(self, progress: Progress) -> Bools:
        """Return the devices kept on the stable release to compare with."""
        borders = [progress.control.get(name, EVERYBODY) for name in self.strata]
        return ~below(self.bucket, self.stratum, borders) & (self.ring_of(progress) < 0)


def below(bucket: NDArray[np.uint64], place: Ints, cuts: Sequence[Cut]) -> Bools:
    """Return which buckets lie below the cut at their place in `cuts`."""
    last = np.array([max(cut - 1, 0) for cut in cuts], np.uint64)  # 2^64 itself is no uint64
    some = np.array([cut > NOBODY for cut in cuts], np.bool_)
    found: Bools = some[place] & (bucket <= last[place])
    return found


def reach_of(
    subjects: Sequence[Subject],
    fetched: Callable[[Subject], int],
    hurt: Callable[[Subject], bool],
    zone_of: Callable[[Subject], str] = lambda _: "UTC",
    groups_of: Callable[[Subject], tuple[str, ...]] = lambda _: (),
) -> Reach:
    """Return the subjects of a rollout as arrays.

    Args:
        subjects: Devices that it can reach.
        fetched: Bytes that one of them fetches for the candidate.
        hurt: Whether a fault of the candidate can hurt it.
        zone_of: The time zone that its site windows go by.
        groups_of: Its groups in the fleet's disruption budgets.
    """
    ordered = sorted(subjects, key=lambda each: each.device)
    strata = tuple(sorted({each.stratum for each in ordered}))
    place = {name: number for number, name in enumerate(strata)}
    stratum = np.fromiter((place[each.stratum] for each in ordered), np.int64, len(ordered))
    zone = [zone_of(each) for each in ordered]
    zones = tuple(sorted(set(zone)))
    budgets = {each.stratum: each.budget_us for each in reversed(ordered)}
    return Reach(
        ids=[each.device for each in ordered],
        strata=strata,
        stratum=stratum,
        bucket=np.fromiter((each.bucket for each in ordered), np.uint64, len(ordered)),
        held=np.fromiter((each.held for each in ordered), np.bool_, len(ordered)),
        cohorts={
            name: np.fromiter((name in each.cohorts for each in ordered), np.bool_, len(ordered))
            for name in sorted({name for each in ordered for name in each.cohorts})
        },
        budget_us=np.array([budgets[name] for name in strata], np.int64),
        fetched=np.fromiter((fetched(each) for each in ordered), np.int64, len(ordered)),
        hurt=np.fromiter((hurt(each) for each in ordered), np.bool_, len(ordered)),
        zones=zones,
        zone=np.fromiter(map({name: number for number, name in enumerate(zones)}.__getitem__, zone), np.int64),
        candidates=[_candidate(each, groups_of(each)) for each in ordered],
    )


def _candidate(subject: Subject, groups: tuple[str, ...]) -> Candidate | None:
    if not groups:
        return None
    return Candidate(
        bucket=subject.bucket,
        stratum=subject.stratum,
        cell="/".join(groups),
        groups=groups,
        cohorts=subject.cohorts,
        held=subject.held,
    )
