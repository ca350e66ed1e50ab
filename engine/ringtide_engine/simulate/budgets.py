"""Disruption budgets in a simulation: who may begin, and how many devices of each group are unavailable."""

from collections.abc import Mapping, Sequence

import numpy as np

from ringtide_contract.membership import NOBODY
from ringtide_engine.model.budgets import Candidate
from ringtide_engine.model.progress import OpenedRing
from ringtide_engine.simulate.devices import IS_CONFIRMED, IS_REVERTED, Devices
from ringtide_engine.simulate.reach import Bools, Ints, Reach, below


class Budgets:
    """The groups of a fleet's budgets, over the devices of one run."""

    def __init__(self, reach: Reach) -> None:
        """Number the groups and their cells."""
        self._reach = reach
        self._who: Ints = np.flatnonzero([each is not None for each in reach.candidates])
        self.candidates: tuple[Candidate, ...] = tuple(each for each in reach.candidates if each is not None)
        """Devices of all groups."""
        self._cells = sorted({each.cell for each in self.candidates})
        places = {cell: number for number, cell in enumerate(self._cells)}
        self._cell = np.array([places[each.cell] for each in self.candidates], np.int64)
        self._groups = sorted({group for each in self.candidates for group in each.groups})
        numbers = {group: number for number, group in enumerate(self._groups)}
        pairs = [(numbers[group], place) for place, each in enumerate(self.candidates) for group in each.groups]
        self._group, self._member = np.array(pairs, np.int64).reshape(-1, 2).T

    def let_begin(self, rings: Sequence[OpenedRing]) -> Bools:
        """Return which devices may begin as soon as a ring exposes them; those in no group always may."""
        free = np.ones(self._reach.count, np.bool_)
        free[self._who] = self._admitted(rings)
        return free

    def waiting(self, rings: Sequence[OpenedRing]) -> tuple[Candidate, ...]:
        """Return the devices that the newest ring reaches and no ring has let begin: who may be let begin now."""
        inside = self._reach.inside(rings[-1])[self._who] & ~self._admitted(rings)
        return tuple(self.candidates[each] for each in np.flatnonzero(inside).tolist())

    def occupied(self, devices: Devices, now_s: float, limit_s: float) -> Mapping[str, int]:
        """Return how many devices of each group are unavailable, as `judge/budgets.py` counts them from reports."""
        asked = (devices.ring[self._who] >= 0) & devices.may_begin[self._who] & ~self._reach.held[self._who]
        said = devices.said[self._who]
        settled = ~asked | (said == IS_CONFIRMED) | (said == IS_REVERTED)
        heard = now_s - devices.heard_s[self._who] < limit_s
        away = ~(heard & settled)
        counts = np.bincount(self._group, weights=away[self._member], minlength=len(self._groups)).astype(np.int64)
        return {group: count for group, count in zip(self._groups, counts.tolist(), strict=True) if count}

    def _admitted(self, rings: Sequence[OpenedRing]) -> Bools:
        admitted = np.zeros(len(self._who), np.bool_)
        bucket = self._reach.bucket[self._who]
        for ring in rings:
            inside = self._reach.inside(ring)[self._who]
            if ring.admitted is not None:
                borders = [ring.admitted.get(cell, NOBODY) for cell in self._cells]
                inside &= below(bucket, self._cell, borders)
            admitted |= inside
        return admitted
