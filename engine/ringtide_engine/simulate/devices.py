"""What devices do with a candidate, and what they have said of it: arrays over the devices of one run."""

import numpy as np

from ringtide_contract.manifest import Probation
from ringtide_engine.simulate.assumptions import Assumptions, Fault
from ringtide_engine.simulate.marks import AGREED, COMPARED, FAILURES, OVER, REQUESTS
from ringtide_engine.simulate.reach import Bools, Floats, Ints, Reach

STABLE, PROBATION, CONFIRMED, REVERTED = range(4)
"""Where the candidate stands on a device."""

SILENT_ON_IT, DEFERRED, IN_PROBATION, IS_CONFIRMED, IS_REVERTED = range(5)
"""What a device said of the candidate last: nothing, that it waits for its start, or where it stands."""

COMPARED_SHARE = 0.1
"""Share of the candidate's requests that the stable release answers, too."""

_VARIETY = 4.0
"""Shape of the gamma distribution of request rates: most devices within a factor of three of the average."""

_HOUR = 3600.0
_MILLION = 1_000_000


class Devices:
    """The devices of one run; times are seconds since its start."""

    def __init__(
        self,
        reach: Reach,
        assumed: Assumptions,
        fault: Fault,
        terms: Probation,
        silent_s: Floats,
        chance: np.random.Generator,
    ) -> None:
        """Put every device on the stable release; `silent_s` says for how long it has not been heard."""
        count = reach.count
        self._reach, self._assumed, self._fault, self._terms, self._chance = reach, assumed, fault, terms, chance
        self._rate = np.maximum(assumed.requests * chance.gamma(_VARIETY, 1 / _VARIETY, count), 1.0) / _HOUR
        self._errors = np.where(reach.hurt, min(1.0, assumed.errors * fault.factor), assumed.errors)
        self.ring = np.full(count, -1, np.int64)
        """Place of the ring that exposes each device; -1 while none does."""
        self.start_s = np.full(count, np.inf)
        """When it may begin."""
        self.may_begin = np.ones(count, np.bool_)
        """Whether disruption budgets let it begin."""
        self.state = np.zeros(count, np.int8)
        """Where the candidate stands."""
        self.activated_s = np.full(count, np.inf)
        """When it activated the candidate."""
        self._ends_s = np.full(count, np.inf)
        self._breaks = np.zeros(count, np.bool_)
        self.harmed = np.zeros(count, np.bool_)
        """Devices on which the candidate's own fault shows."""
        self.heard_s = np.floor(-silent_s)
        """When each was heard last; minus infinity where it never was."""
        self.said = np.zeros(count, np.int8)
        """What it said last."""
        self.confirmed_s = np.full(count, np.inf)
        """When it first said that it has confirmed the candidate."""
        self.totals = np.zeros((5, count), np.int64)
        """Counters of the candidate as it reported them last."""
        self.fetched = 0
        """Bytes fetched in this step."""
        self._counted_from = np.inf
        self._stable = np.zeros((5, 0), np.int64)
        self._control: Ints = np.zeros(0, np.int64)

    def join(self, place: int, inside: Bools, opened_s: float, spread_s: float, cuts: Floats) -> None:
        """Let a ring expose the devices inside it that no earlier one does.

        Args:
            place: Place of the ring.
            inside: Devices that it reaches.
            opened_s: When it opened.
            spread_s: Over how long they spread their start.
            cuts: Cut of each stratum.
        """
        new = np.flatnonzero(inside & (self.ring < 0))
        self.ring[new] = place
        share = self._reach.bucket[new].astype(np.float64) / np.maximum(cuts[self._reach.stratum[new]], 1.0)
        self.start_s[new] = opened_s + spread_s * np.minimum(share, 1.0)

    def watch_control(self, control: Ints, now_s: float) -> None:
        """Count the requests of the control from now on."""
        self._control, self._counted_from = control, now_s
        self._stable = np.zeros((5, len(control)), np.int64)

    @property
    def control_totals(self) -> Ints:
        """Counters of the control as reported last, in the order in which it was given."""
        return self._stable

    def live(self, now_s: float, step_s: int, online: Bools, is_open: Bools) -> None:
        """Let a step end: devices begin, and finish their probation.

        Args:
            now_s: The present.
            step_s: Length of the step.
            online: Who is online.
            is_open: Which rings have a window open in which time zone.
        """
        asked = (self.ring >= 0) & self.may_begin & ~self._reach.held
        ready = (self.state == STABLE) & asked & online & (self.start_s <= now_s)
        begin = np.flatnonzero(ready)
        begin = begin[is_open[self.ring[begin], self._reach.zone[begin]]]
        self.fetched = int(self._reach.fetched[begin].sum())
        if len(begin):
            self._activate(begin, now_s, step_s)
        due = (self.state == PROBATION) & (self._ends_s <= now_s)
        self.state[due] = np.where(self._breaks[due], REVERTED, CONFIRMED)

    def _activate(self, begin: Ints, now_s: float, step_s: int) -> None:
        chance, terms, count = self._chance, self._terms, len(begin)
        hurt, rate = self._reach.hurt[begin], self._rate[begin]
        self.state[begin] = PROBATION
        at = np.maximum(self.start_s[begin], now_s - step_s * chance.random(count))
        length = np.maximum(float(terms.seconds), terms.min_requests / rate)
        served = np.floor(rate * length)
        failed = chance.poisson(served * self._errors[begin])
        slow = chance.poisson(served * self._assumed.slow)
        broken = chance.random(count) < self._assumed.spontaneous
        faulty = hurt & (chance.random(count) < self._fault.fails)
        missed = failed * _MILLION > terms.max_failure_ppm * np.maximum(served, 1)
        missed |= slow * _MILLION > terms.max_over_budget_ppm * np.maximum(served, 1)
        breaks = broken | faulty | missed
        self.harmed[begin] = faulty | (hurt & (self._fault.factor > 1))
        self._breaks[begin] = breaks
        self.activated_s[begin] = at
        self._ends_s[begin] = at + np.where(breaks, length * chance.random(count), length)

    def report(self, now_s: float, online: Bools) -> tuple[Ints, Ints]:
        """Let those who are online report; return those with candidate requests, and the control's by place in it."""
        self.heard_s[online] = now_s
        asked = np.flatnonzero(online & (self.ring >= 0) & self.may_begin & ~self._reach.held)
        newly = asked[(self.state[asked] == CONFIRMED) & (self.said[asked] != IS_CONFIRMED)]
        self.confirmed_s[newly] = now_s
        self.said[asked] = self.state[asked] + 1
        serving = asked[self.state[asked] != STABLE]
        ended = np.where(self.state[serving] == REVERTED, self._ends_s[serving], now_s)
        served = np.floor(self._rate[serving] * (ended - self.activated_s[serving])).astype(np.int64)
        self._count(self.totals, serving, served, self._errors[serving], compares=True)
        present = np.flatnonzero(online[self._control])
        if len(present):
            who = self._control[present]
            served = np.floor(self._rate[who] * (now_s - self._counted_from)).astype(np.int64)
            self._count(self._stable, present, served, np.full(len(who), self._assumed.errors), compares=False)
        return serving, present

    def _count(self, totals: Ints, places: Ints, served: Ints, errors: Floats, *, compares: bool) -> None:
        more = served - totals[REQUESTS, places]
        totals[REQUESTS, places] = served
        totals[FAILURES, places] += np.minimum(self._chance.poisson(more * errors), more)
        totals[OVER, places] += np.minimum(self._chance.poisson(more * self._assumed.slow), more)
        if compares:
            compared = (served * COMPARED_SHARE).astype(np.int64)
            also = compared - totals[COMPARED, places]
            totals[COMPARED, places] = compared
            totals[AGREED, places] += also - np.minimum(self._chance.poisson(also * self._assumed.differs), also)
