"""Scores of simulated devices, span by span: `judge/scores.py` for arrays, counted as they come."""

from collections.abc import Sequence

import numpy as np

from ringtide_engine.model.betting import rounded
from ringtide_engine.model.spans import MAX_SPANS, Span
from ringtide_engine.simulate.reach import Ints

REQUESTS, FAILURES, OVER, COMPARED, AGREED = range(5)
"""Places of the counters of a device."""

_MILLION = 1_000_000
_BEYOND = _MILLION + 1

Counts = tuple[dict[int, int], dict[int, int], dict[int, int], dict[int, int], dict[int, int]]
"""Devices by score: failed, slow, disagreed, and the pairs of the first two."""


class Marks:
    """The spans that devices have served, for one arm from one opening on."""

    def __init__(self, count: int, requests: int, base: Ints | None = None) -> None:
        """Begin with none, from the counters in `base` on; the first span takes `requests`."""
        self._requests = requests
        self._start = np.zeros((5, count), np.int64) if base is None else base.copy()
        self.taken = np.zeros(count, np.int64)
        """Spans of each device so far."""
        self.kept = np.zeros((MAX_SPANS, 5, count), np.int32)
        """What each device counted in each span."""

    def begin(self, devices: Ints, totals: Ints) -> None:
        """Let these devices, which have no span yet, begin with what `totals` says of them."""
        self._start[:, devices] = totals[:, devices]

    def take(self, devices: Ints, totals: Ints) -> Ints:
        """Close the spans that these devices have served; return those devices.

        Args:
            devices: Who has reported.
            totals: Counters of all devices.
        """
        taken = self.taken[devices]
        served = totals[REQUESTS, devices] - self._start[REQUESTS, devices]
        closed: Ints = devices[(taken < MAX_SPANS) & (served >= self._requests << taken)]
        counted = totals[:, closed]
        self.kept[self.taken[closed], :, closed] = (counted - self._start[:, closed]).T
        self._start[:, closed] = counted
        self.taken[closed] += 1
        return closed


class SpanCounts:
    """Devices counted by score in every span, group by group."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._groups: dict[int, list[Counts]] = {}
        self._told: dict[int, tuple[Span, ...]] = {}

    def add(self, marks: Marks, devices: Ints, places: Ints, groups: Ints) -> None:
        """Count one span of each of these devices, the `places`-th, in its group."""
        if not len(devices):
            return
        kept = marks.kept[places, :, devices].astype(np.int64)
        parts = (
            (0, kept[:, FAILURES], kept[:, REQUESTS]),
            (1, kept[:, OVER], kept[:, REQUESTS]),
            (2, kept[:, COMPARED] - kept[:, AGREED], kept[:, COMPARED]),
        )
        for which, part, whole in parts:
            some = whole > 0
            scores = rounded_all(part[some], whole[some])
            keys, counts = np.unique((groups[some] * MAX_SPANS + places[some]) * _BEYOND + scores, return_counts=True)
            for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
                spot, score = divmod(key, _BEYOND)
                into = self._at(spot // MAX_SPANS, spot % MAX_SPANS)[which]
                into[score] = into.get(score, 0) + count

    def pair(self, group: int, place: int, ours: Sequence[int], theirs: Sequence[int]) -> None:
        """Count one pair: the counters of the exposed device and of its control in the span at `place`."""
        counts = self._at(group, place)
        for into, which in ((counts[3], FAILURES), (counts[4], OVER)):
            part = ours[which] * theirs[REQUESTS] - theirs[which] * ours[REQUESTS]
            score = rounded(abs(part), ours[REQUESTS] * theirs[REQUESTS])
            score = score if part >= 0 else -score
            into[score] = into.get(score, 0) + 1

    def spans(self, group: int) -> tuple[Span, ...]:
        """Return the spans of a group; spans close seldom, and the judge looks often."""
        told = self._told.get(group)
        if told is None:
            told = self._told[group] = tuple(
                Span(
                    failed=dict(each[0]),
                    slow=dict(each[1]),
                    disagreed=dict(each[2]),
                    drifted={0: sum(each[0].values())},
                    failed_pairs=dict(each[3]),
                    slow_pairs=dict(each[4]),
                )
                for each in self._groups.get(group, ())
            )
        return told

    def _at(self, group: int, place: int) -> Counts:
        self._told.pop(group, None)
        spans = self._groups.setdefault(group, [])
        while len(spans) <= place:
            spans.append(({}, {}, {}, {}, {}))
        return spans[place]


def rounded_all(part: Ints, whole: Ints) -> Ints:
    """Return `betting.rounded` of every share."""
    exact = part * _MILLION // whole
    step = np.ones_like(exact)
    for power in range(2, 7):
        step[exact >= 10**power] = 10 ** (power - 1)
    low = np.where(part > 0, np.maximum(exact, 1), 0)
    answer: Ints = np.where(exact < 100, low, exact // step * step)
    return answer
