"""ringtide's gates over many runs at once: the formulae of `model/betting.py` and `judge/proof.py`, in arrays.

`tests/engine/judge/test_decisions_agree.py` holds them against the judge's own.
"""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.decisions.course import Course
from benchmarks.decisions.peers import decision, ratio, reached, soaked
from benchmarks.decisions.world import RINGS, Bools, Floats, Ints
from ringtide_engine.judge.verdict import FEW, HARD_ALPHA
from ringtide_engine.model.betting import COIN, MILLION
from ringtide_engine.model.binomial import tail
from ringtide_engine.model.spans import MAX_SPANS

SCORE_REQUESTS = 100
TOLERATED = 0.005
ALPHA = 0.01
MARGINS = {"failed": 0.003, "slow": 0.005}
"""How much worse than its pair a device may be, and the ring than the control to pass."""
SUCCESS = 0.95


@dataclass
class Ringtide:
    """updateSuccess atLeast 95 %, inferenceSuccess and p95Latency noWorseThanControl; hard failures beyond 0.5 %."""

    name: str = "ringtide"
    alpha: float = ALPHA

    def begin(self, course: Course) -> None:
        """Forget the batch before."""
        runs, devices = course.fleet.ring.shape
        self._own = _Spans(runs, devices)
        self._control = [_Spans(runs, devices) for _ in RINGS[:-1]]
        self._critical: dict[tuple[int, float], int] = {}

    def decide(self, course: Course) -> Ints:
        """Judge all runs."""
        exposed, control = course.exposed, course.fleet.control
        self._own.add(course, exposed)
        for ring, spans in enumerate(self._control):
            spans.add(course, control & ((course.newest >= ring) & (course.ended < 0))[:, None])
        bad = self._hard(course) | self._worse(course)
        return decision(bad, ~bad & soaked(course) & self._passes(course))

    def _hard(self, course: Course) -> Bools:
        """Hard failures are more than broken devices explain, in a ring or in one of its strata."""
        bad = np.zeros(len(course.newest), bool)
        strata = int(course.fleet.stratum.max()) + 1
        for ring in range(len(RINGS)):
            inside = (course.fleet.ring == ring) & (course.newest >= ring)[:, None]
            failed = inside & course.reverted
            size, hurt = inside.sum(1), failed.sum(1)
            half = HARD_ALPHA / (2 * len(RINGS))
            bad |= ((size < FEW) & (hurt >= 1)) | ((hurt >= 2) & (hurt >= self._needed(size, half)))
            for stratum in range(strata):
                part = course.fleet.stratum == stratum
                size, hurt = inside[:, part].sum(1), failed[:, part].sum(1)
                bad |= (hurt >= 2) & (hurt >= self._needed(size, half / strata))
        return bad

    def _needed(self, sizes: Ints, alpha: float) -> Ints:
        for size in np.unique(sizes):
            key = (int(size), alpha)
            if key not in self._critical:
                count = 2
                while tail(count, int(size), TOLERATED) > alpha:
                    count += 1
                self._critical[key] = count
        return np.array([self._critical[int(size), alpha] for size in sizes])

    def _worse(self, course: Course) -> Bools:
        """Devices fare worse than their pairs beyond chance."""
        bad = np.zeros(len(course.newest), bool)
        for ring, spans in enumerate(self._control):
            ours, theirs = course.fleet.pairs[ring]
            for metric, margin in MARGINS.items():
                bad |= _log_wealth_of_worse(course, self._own, spans, ours, theirs, metric, margin) >= -math.log(
                    self.alpha
                )
        return bad

    def _passes(self, course: Course) -> Bools:
        """What is observed keeps the limits: updates, and the ring beside the control of its strata."""
        _, done, failed = reached(course)
        good = ratio(done - failed, done, 0.0) >= SUCCESS
        for ring, spans in enumerate(self._control):
            inside = course.exposed & (course.fleet.ring == ring)
            for metric, margin in MARGINS.items():
                good &= (course.newest != ring) | (_difference(course, self._own, spans, inside, metric) <= margin)
        return good


class _Spans:
    """Requests of devices, span by span."""

    def __init__(self, runs: int, devices: int) -> None:
        self.totals = {name: np.zeros((runs, devices), np.int64) for name in ("served", "failed", "slow")}
        self._start = {name: np.zeros((runs, devices), np.int64) for name in self.totals}
        self.number = np.zeros((runs, devices), np.int64)
        self.scores = {name: np.full((runs, devices, MAX_SPANS), np.nan) for name in MARGINS}

    def add(self, course: Course, counted: Bools) -> None:
        """Count a tick, and score the devices that have come to the end of a span."""
        for name, what in (("served", course.served), ("failed", course.failed), ("slow", course.slow)):
            self.totals[name] += np.where(counted, what, 0)
        span = self.totals["served"] - self._start["served"]
        done = (span >= SCORE_REQUESTS * 2**self.number) & (self.number < MAX_SPANS)
        run, device = np.nonzero(done)
        number = self.number[run, device]
        for name, scores in self.scores.items():
            part = self.totals[name][run, device] - self._start[name][run, device]
            scores[run, device, number] = part / span[run, device]
        for name, start in self._start.items():
            start[done] = self.totals[name][done]
        self.number[done] += 1


def rounded(differences: Floats) -> Floats:
    """Cut differences to two digits of millionths, towards zero, as `betting.rounded` does."""
    exact = np.trunc(np.abs(differences) * MILLION + 1e-6)
    digits = np.floor(np.log10(np.maximum(exact, 1)))
    step = 10 ** np.maximum(digits - 1, 0)
    cut = np.where(exact < 100, np.where(differences != 0, np.maximum(exact, 1), 0), exact // step * step)
    return np.sign(differences) * cut


def _log_wealth_of_worse(
    course: Course, own: _Spans, control: _Spans, ours: Ints, theirs: Ints, metric: str, margin: float
) -> Floats:
    rows = np.arange(len(ours))[:, None]
    there = (ours >= 0) & (theirs >= 0)
    one = own.scores[metric][rows, ours]
    other = control.scores[metric][rows, theirs]
    apart = rounded(np.where(there[:, :, None], one - other, np.nan))
    worse, better = apart > round(margin * MILLION), apart < round(margin * MILLION)
    strata = int(course.fleet.stratum.max()) + 1
    whole = _over_spans(worse.sum(1), better.sum(1))
    if strata < 2:
        return whole
    of = course.fleet.stratum[np.maximum(ours, 0)]
    parts = [
        _over_spans((worse & (of == each)[:, :, None]).sum(1), (better & (of == each)[:, :, None]).sum(1))
        for each in range(strata)
    ]
    shared = np.stack([*[whole] * strata, *parts])
    return _mixed(shared - math.log(len(shared)), 0)


def _over_spans(worse: Ints, better: Ints) -> Floats:
    bets = np.array(COIN)
    wealth = _mixed(worse[..., None] * np.log1p(bets) + better[..., None] * np.log1p(-bets) - math.log(len(bets)), -1)
    later = _mixed(wealth[:, 1:] - math.log(MAX_SPANS - 1), 1)
    return _mixed(np.stack([wealth[:, 0], later]) - math.log(2), 0)


def _mixed(wealth: Floats, axis: int) -> Floats:
    most = wealth.max(axis=axis, keepdims=True)
    return (most + np.log(np.exp(wealth - most).sum(axis=axis, keepdims=True))).squeeze(axis)


def _difference(course: Course, own: _Spans, control: _Spans, inside: Bools, metric: str) -> Floats:
    """Return how much worse the ring is than the control, weighted by the ring's requests in each stratum."""
    ours = np.zeros(len(inside))
    theirs, total = np.zeros(len(inside)), np.zeros(len(inside))
    for stratum in range(int(course.fleet.stratum.max()) + 1):
        part = course.fleet.stratum == stratum
        mine = np.where(inside[:, part], own.totals["served"][:, part], 0).sum(1)
        bad = np.where(inside[:, part], own.totals[metric][:, part], 0).sum(1)
        beside, worse = control.totals["served"][:, part].sum(1), control.totals[metric][:, part].sum(1)
        there = beside > 0
        ours += np.where(there, bad, 0)
        theirs += np.where(there, mine * ratio(worse, beside, 0.0), 0)
        total += np.where(there, mine, 0)
    return np.where(total > 0, (ours - theirs) / np.maximum(total, 1), 1.0)
