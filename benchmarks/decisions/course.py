"""The course of rollouts under one rule: rings open, devices activate, serve, fail, and the rule looks every tick."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.decisions.world import HORIZON, RINGS, Bools, Fleet, Floats, Ints, Scenario, Tick

PROMOTE, HOLD, ROLL_BACK = 1, 0, -1


@dataclass(slots=True, kw_only=True)
class Course:
    """Where every run of a batch stands under one rule."""

    scenario: Scenario
    fleet: Fleet
    newest: Ints
    """Newest open ring, by run; past the last: complete."""
    opened: Ints
    """Tick at which it opened."""
    ended: Ints
    """Tick at which the run completed or was rolled back; -1 while it goes on."""
    rolled_back: Bools
    activated: Ints
    """Tick at which the device began with the candidate, by run and device; -1 before."""
    reverted: Bools
    """Devices that the candidate failed on."""
    now: int = 0
    served: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Requests in this tick."""
    failed: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    slow: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def start(cls, scenario: Scenario, fleet: Fleet) -> "Course":
        runs, devices = fleet.ring.shape
        return cls(
            scenario=scenario,
            fleet=fleet,
            newest=np.zeros(runs, np.int64),
            opened=np.zeros(runs, np.int64),
            ended=np.full(runs, -1, np.int64),
            rolled_back=np.zeros(runs, bool),
            activated=np.full((runs, devices), -1, np.int64),
            reverted=np.zeros((runs, devices), bool),
        )

    @property
    def exposed(self) -> Bools:
        """Devices that serve with the candidate."""
        return (self.activated >= 0) & ~self.reverted

    @property
    def in_newest(self) -> Bools:
        """Devices that the newest ring exposes, and no ring before it."""
        return self.fleet.ring == self.newest[:, None]

    @property
    def age(self) -> Ints:
        """Ticks since the newest ring opened."""
        return self.now - self.opened

    def live(self, number: int, tick: Tick, chance: np.random.Generator) -> None:
        """Let a tick pass: devices of open rings activate when online, and serve."""
        self.now = number
        going = (self.ended < 0)[:, None]
        asked = (self.fleet.ring <= self.newest[:, None]) & (self.activated < 0) & tick.online & going
        self.activated[asked] = number
        age = number - self.activated
        candidate = self.exposed & going
        breaks = candidate & self.fleet.breaks & (age >= 1) & tick.online
        self.reverted |= breaks
        hurt = candidate & self.fleet.hit & (age >= self.scenario.onset)
        self.served, self.failed = tick.requests, tick.failed + np.where(hurt, tick.more, 0)
        self.slow = tick.slow
        if self.scenario.creeping:
            growth = np.clip(self.scenario.creeping * age, 0, 0.9) * hurt
            self.slow = tick.slow + chance.binomial(np.maximum(0, tick.requests - tick.slow), growth)

    def obey(self, decision: Ints) -> None:
        """Do what the rule says of every run that goes on."""
        going = self.ended < 0
        back, on = going & (decision == ROLL_BACK), going & (decision == PROMOTE)
        self.rolled_back |= back
        self.ended[back] = self.now
        self.newest[on] += 1
        self.opened[on] = self.now
        self.ended[on & (self.newest == len(RINGS))] = self.now

    def harmed(self) -> Ints:
        """Return how many devices the candidate hurt, by run: beyond what any release does."""
        if self.scenario.fails:
            return (self.reverted & self.fleet.hit).sum(1)
        until = np.where(self.rolled_back, self.ended, HORIZON)[:, None]  # what is complete goes on
        age = np.where(self.activated >= 0, until - self.activated, -1)
        hurt = self.fleet.hit & (age >= max(1, self.scenario.onset))
        return hurt.sum(1) if self.scenario.is_harmful else np.zeros(len(self.newest), np.int64)

    def adopted(self, share: float) -> Floats:
        """Return the tick at which `share` of the fleet had activated the candidate; infinite where it never had."""
        when = np.where(self.activated >= 0, self.activated, np.iinfo(np.int64).max).astype(float)
        wanted = int(np.ceil(share * when.shape[1])) - 1
        reached = np.partition(when, wanted, axis=1)[:, wanted]
        return np.where(self.rolled_back | (reached > 1e9), np.inf, reached)


class Rule(Protocol):
    """A way to decide."""

    name: str

    def begin(self, course: Course) -> None:
        """Forget the batch before."""

    def decide(self, course: Course) -> Ints:
        """Look at a tick, and say what to do with every run."""
