"""Who is online: devices whose links come and go, follow the time of day, or end for good."""

from datetime import datetime

import numpy as np

from ringtide_engine.simulate.assumptions import Assumptions
from ringtide_engine.simulate.reach import Bools, Floats

_DAY = 86_400.0
_WEEK = 7 * _DAY
_MORNING, _JITTER = 8 * 3600.0, 2 * 3600.0


class Links:
    """The links of one run; asked step by step."""

    def __init__(
        self, assumed: Assumptions, count: int, start: datetime, step_s: int, chance: np.random.Generator
    ) -> None:
        """Draw who is online at the start, and since when the others are not."""
        self._assumed, self._step_s, self._chance = assumed, step_s, chance
        self._clock = (start.hour * 60 + start.minute) * 60.0 + start.second
        self._dark = np.full(count, np.inf)
        if assumed.churn > 0:
            self._dark = chance.exponential(-_WEEK / np.log1p(-min(assumed.churn, 0.999999)), count)
        offline = 0.0 if assumed.connectivity == "always" else assumed.offline
        self._diurnal = assumed.connectivity == "diurnal"
        self._fixed = offline in (0.0, 1.0)
        if self._diurnal:
            self._opens = np.mod(chance.normal(_MORNING, _JITTER, count), _DAY)
            self._length = (1 - offline) * _DAY
            self._online = self._by_day(0.0)
            over = np.mod(self._clock - self._opens, _DAY) - self._length
            self.silent_s = np.where(self._online, 0.0, over)
            return
        spell_s = assumed.spell_s
        if not self._fixed:  # nothing is shorter than a step, or the share would not be kept
            spell_s = max(spell_s, step_s, step_s * offline / (1 - offline))
        self._online = chance.random(count) >= offline
        self.silent_s = np.where(self._online, 0.0, chance.exponential(spell_s, count))
        if offline == 1.0:
            self.silent_s[:] = np.inf
        if not self._fixed:
            self._back, self._away = step_s / spell_s, min(1.0, step_s * offline / (spell_s * (1 - offline)))
            self._turns = np.zeros(count, np.int64)
            self._turn(np.arange(count), 0)

    silent_s: Floats
    """For how long each device has been silent at the start, seconds; 0 where it is online."""

    def online(self, step: int) -> Bools:
        """Return who is online at a step; steps are asked one after the other."""
        at_s = float(step * self._step_s)
        if self._diurnal:
            self._online = self._by_day(at_s)
        elif not self._fixed:
            due = np.flatnonzero(self._turns <= step)
            self._online[due] = ~self._online[due]
            self._turn(due, step)
        return self._online & (at_s < self._dark)

    def _by_day(self, at_s: float) -> Bools:
        into: Floats = np.mod(self._clock + at_s - self._opens, _DAY)
        return into < self._length

    def _turn(self, devices: np.ndarray[tuple[int], np.dtype[np.int64]], step: int) -> None:
        """Draw when these devices turn next."""
        odds = np.where(self._online[devices], self._away, self._back)
        self._turns[devices] = step + self._chance.geometric(odds)
