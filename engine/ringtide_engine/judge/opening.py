"""Opening rings: the cuts of the next ring, which only ever grow."""

from collections.abc import Mapping
from datetime import datetime

from ringtide_contract.membership import EVERYBODY, NOBODY, Cut, control_cut, opening_cut
from ringtide_engine.model.desired import Ring
from ringtide_engine.model.progress import OpenedRing, Progress
from ringtide_engine.model.verdict import RolloutView


def next_ring(view: RolloutView) -> Ring | None:
    """Return the ring of the plan after the open ones, or None where all are open."""
    opened = len(view.progress.rings) if view.progress else 0
    return view.plan.rings[opened] if opened < len(view.plan.rings) else None


def controls(view: RolloutView) -> Mapping[str, Cut]:
    """Return where the control begins: as it was, with strata that have come since."""
    known = view.progress.control if view.progress else {}
    return {
        stratum: known.get(stratum, control_cut(buckets, view.plan.control))
        for stratum, buckets in sorted({**dict.fromkeys(known, ()), **view.units}.items())
    }


def open_ring(view: RolloutView, ring: Ring, control: Mapping[str, Cut], now: datetime) -> OpenedRing:
    """Return `ring` as it opens: by share with a cut per stratum, by cohort with everybody in it.

    The last ring reaches everybody, whatever its share and with the control: it opens after all others have passed.
    """
    everybody = dict.fromkeys(sorted(view.units), EVERYBODY)
    if ring == view.plan.rings[-1]:
        return OpenedRing(name=ring.name, opened_at=now, cuts=everybody, cohort=None)
    if ring.share is None:
        return OpenedRing(name=ring.name, opened_at=now, cuts=everybody, cohort=ring.cohort)
    cuts = {
        stratum: max(
            _reached(view.progress, stratum),
            opening_cut(buckets, ring.share, ring.minimum_per_stratum, control.get(stratum, EVERYBODY)),
        )
        for stratum, buckets in sorted(view.units.items())
    }
    return OpenedRing(name=ring.name, opened_at=now, cuts=cuts, cohort=None)


def _reached(progress: Progress | None, stratum: str) -> Cut:
    rings = progress.rings if progress else ()
    return max((ring.cuts.get(stratum, NOBODY) for ring in rings if ring.cohort is None), default=NOBODY)
