"""Exposed devices and the control beside them: who is paired with whom, and how both were scored."""

import numpy as np

from ringtide_engine.model.progress import Progress
from ringtide_engine.model.spans import MAX_SPANS
from ringtide_engine.simulate.devices import Devices
from ringtide_engine.simulate.marks import Marks, SpanCounts
from ringtide_engine.simulate.reach import Bools, Ints, Reach


class Arms:
    """The arms of one run. A group is a ring and a stratum: `place * strata + stratum`."""

    def __init__(self, reach: Reach, requests: int, limit_s: int) -> None:
        """Begin before any ring is open.

        Args:
            reach: The devices.
            requests: A device is scored first over so many requests.
            limit_s: What a device said longer than this before the first opening is not read.
        """
        self._reach, self._requests, self._limit_s = reach, requests, limit_s
        self._strata = len(reach.strata)
        self._marks = Marks(reach.count, requests)
        self._beside: list[Marks] = []
        self._bases: list[Ints] = []
        self._partner = np.full(reach.count, -1, np.int64)
        self._partners: list[Ints] = []
        self._who: Ints | None = None
        self._known: Bools = np.zeros(0, np.bool_)
        self.spans = SpanCounts()
        """Spans of the exposed devices, by group."""
        self.control_spans = SpanCounts()
        """Spans of the control, by group."""
        self.is_control: Bools = np.zeros(0, np.bool_)
        """Which of `control` still are the control."""

    @property
    def control(self) -> Ints:
        """Devices that were the control when the first ring opened, in the order of their ids."""
        return np.zeros(0, np.int64) if self._who is None else self._who

    def base(self, place: int) -> Ints:
        """Return the control's counters when the ring at `place` opened, or where it was first heard of after that."""
        return self._bases[place]

    def open(self, progress: Progress, devices: Devices, now_s: float) -> None:
        """Take in that the newest ring of `progress` has opened; the control never grows."""
        inside = self._reach.control(progress)
        if self._who is None:
            self._who = np.flatnonzero(inside)
            self._known = devices.heard_s[self._who] >= now_s - self._limit_s
            devices.watch_control(self._who, now_s)
        self.is_control = inside[self._who]
        while len(self._bases) < len(progress.rings):
            self._bases.append(devices.control_totals.copy())
            self._beside.append(Marks(len(self._who), self._requests, self._bases[-1]))
        self._pair(devices, len(progress.rings))
        self._recount(devices)

    def score(self, devices: Devices, serving: Ints, present: Ints) -> None:
        """Score the devices that have just reported."""
        self._meet(devices, present)
        closed = self._marks.take(serving, devices.totals)
        groups = devices.ring[closed] * self._strata + self._reach.stratum[closed]
        self.spans.add(self._marks, closed, self._marks.taken[closed] - 1, groups)
        for device, partner, group in zip(
            closed.tolist(), self._partner[closed].tolist(), groups.tolist(), strict=True
        ):
            span = int(self._marks.taken[device]) - 1
            beside = self._beside[group // self._strata]
            if partner >= 0 and beside.taken[partner] > span:
                self._count_pair(group, span, device, partner)
        present = present[self.is_control[present]]
        for place, beside in enumerate(self._beside):
            closed = beside.take(present, devices.control_totals)
            strata = self._reach.stratum[self.control[closed]]
            self.control_spans.add(beside, closed, beside.taken[closed] - 1, place * self._strata + strata)
            for control, device in zip(closed.tolist(), self._partners[place][closed].tolist(), strict=True):
                span = int(beside.taken[control]) - 1
                if device >= 0 and self._marks.taken[device] > span:
                    group = place * self._strata + int(self._reach.stratum[device])
                    self._count_pair(group, span, device, control)

    def _meet(self, devices: Devices, present: Ints) -> None:
        """Let the control that is first heard of count from now on: what it has served before may be of any age."""
        first = present[~self._known[present]]
        self._known[first] = True
        for base, beside in zip(self._bases, self._beside, strict=True):
            base[:, first] = devices.control_totals[:, first]
            beside.begin(first, devices.control_totals)

    def _count_pair(self, group: int, span: int, device: int, control: int) -> None:
        beside = self._beside[group // self._strata]
        self.spans.pair(group, span, self._marks.kept[span, :, device].tolist(), beside.kept[span, :, control].tolist())

    def _pair(self, devices: Devices, rings: int) -> None:
        """Pair the lowest bucket of a group with the highest of its stratum's control, and so on."""
        reach = self._reach
        kept = np.flatnonzero(self.is_control)
        who = self.control[kept]
        order = np.lexsort((-who, reach.bucket[who].max(initial=0) - reach.bucket[who], reach.stratum[who]))
        kept = kept[order]
        sizes = np.bincount(reach.stratum[self.control[kept]], minlength=self._strata)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        exposed = np.flatnonzero(devices.ring >= 0)
        group = devices.ring[exposed] * self._strata + reach.stratum[exposed]
        order = np.lexsort((exposed, reach.bucket[exposed], group))
        exposed, group = exposed[order], group[order]
        firsts = np.searchsorted(group, group)
        rank = np.arange(len(group)) - firsts
        stratum = reach.stratum[exposed]
        has = rank < sizes[stratum]
        partner = kept[starts[stratum[has]] + rank[has]]
        self._partner = np.full(reach.count, -1, np.int64)
        self._partner[exposed[has]] = partner
        self._partners = [np.full(len(self.control), -1, np.int64) for _ in range(rings)]
        for place in range(rings):
            mine = devices.ring[exposed[has]] == place
            self._partners[place][partner[mine]] = exposed[has][mine]

    def _recount(self, devices: Devices) -> None:
        """Count all spans anew: pairs and groups have changed."""
        self.spans, self.control_spans = SpanCounts(), SpanCounts()
        for span in range(MAX_SPANS):
            scored = np.flatnonzero(self._marks.taken > span)
            groups = devices.ring[scored] * self._strata + self._reach.stratum[scored]
            self.spans.add(self._marks, scored, np.full(len(scored), span), groups)
            paired = scored[self._partner[scored] >= 0]
            for device, partner in zip(paired.tolist(), self._partner[paired].tolist(), strict=True):
                place = int(devices.ring[device])
                if self._beside[place].taken[partner] > span:
                    self._count_pair(place * self._strata + int(self._reach.stratum[device]), span, device, partner)
            for place, beside in zip(range(len(self._beside)), self._beside, strict=True):
                marked = np.flatnonzero((beside.taken > span) & self.is_control)
                strata = self._reach.stratum[self.control[marked]]
                self.control_spans.add(beside, marked, np.full(len(marked), span), place * self._strata + strata)
