"""The simulated fleets: scenarios, and what devices do in one tick, for many runs at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TICK_HOURS = 4
RINGS = (0.05, 0.25, 1.0)
CONTROL = 0.05
SOAK = 6
"""Ticks that a ring is watched after it has opened: a day."""
HORIZON = 90
"""Ticks after which a rollout counts as held: fifteen days."""
FLAKY = 0.002
"""Share of devices on which any release fails hard: broken disks, bad memory."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet and a candidate."""

    name: str
    """Name."""
    devices: int = 600
    """Devices."""
    strata: tuple[float, ...] = (0.5, 0.3, 0.2)
    """Shares of the strata."""
    online: tuple[float, ...] = (0.9, 0.9, 0.9)
    """Chance, by stratum, that a device is online in a tick."""
    requests: float = 40.0
    """Mean requests of a device in a tick online."""
    errors: float = 0.01
    """Share of failed requests on the stable release."""
    spread: float = 0.3
    """Relative spread of that share over devices."""
    slow: float = 0.02
    """Share of requests over the latency budget on the stable release."""
    fails: float = 0.0
    """Chance that the candidate fails hard on a device, broken ones among them."""
    factor: float = 1.0
    """How many times more requests fail with the candidate."""
    creeping: float = 0.0
    """Share by which slow requests grow with each tick of the candidate's age."""
    only: int | None = None
    """The one stratum that is hit; None for all."""
    onset: int = 0
    """Ticks of service after which the candidate begins to hurt."""
    incident: tuple[int, int, float] | None = None
    """First tick, last tick and factor of an incident that hits errors and latency of the whole fleet."""
    bursts: tuple[float, float] | None = None
    """Chance of a burst on a device in a tick, and the share of requests that fails in it, whatever it runs."""

    @property
    def is_harmful(self) -> bool:
        """Whether the candidate ought to be rolled back."""
        return self.fails >= 0.01 or self.factor > 1 or self.creeping > 0


SCENARIOS = (
    Scenario(name="no effect"),
    Scenario(name="0.5 % of devices fail", fails=0.005),
    Scenario(name="1 % of devices fail", fails=0.01),
    Scenario(name="2 % of devices fail", fails=0.02),
    Scenario(name="5 % of devices fail", fails=0.05),
    Scenario(name="20 % of devices fail", fails=0.20),
    Scenario(name="twice the errors", factor=2.0),
    Scenario(name="one stratum fails", fails=0.20, only=2),
    Scenario(name="latency creeps", creeping=0.004),
    Scenario(name="incident of the fleet", incident=(8, 14, 6.0)),
    Scenario(name="many offline", factor=2.5, online=(0.3, 0.3, 0.3)),
    Scenario(name="bursts", bursts=(0.03, 0.3)),
    Scenario(name="late onset", factor=4.0, onset=9),
    Scenario(name="tiny fleet", devices=40, strata=(0.5, 0.5), online=(0.9, 0.9), fails=0.3),
)
LARGE = (
    Scenario(name="50,000, no effect", devices=50_000, online=(0.7, 0.5, 0.3)),
    Scenario(name="50,000, twice the errors", devices=50_000, online=(0.7, 0.5, 0.3), factor=2.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is fixed for the runs of a batch."""

    stratum: Ints
    """Stratum by device."""
    ring: Ints
    """Ring that exposes the device first, by run and device."""
    control: Bools
    """Kept on the stable release until the last ring."""
    pairs: tuple[tuple[Ints, Ints], ...]
    """For each ring but the last: exposed device and its pair, by run; -1 where there is none."""
    rate: Floats
    """Share of failed requests on the stable release, by run and device."""
    hit: Bools
    """Devices that the candidate can hurt."""
    breaks: Bools
    """Devices on which the candidate fails hard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What happens in one tick, whatever the rule: requests on the stable release, and what the candidate adds."""

    online: Bools
    """Devices online."""
    requests: Ints
    """Requests."""
    failed: Ints
    """Failed ones on the stable release."""
    more: Ints
    """Failed ones besides on a candidate that hurts."""
    slow: Ints
    """Slow ones on the stable release."""


def fleets(scenario: Scenario, runs: int, chance: np.random.Generator) -> Fleet:
    """Draw the fleets of a batch of runs."""
    count = scenario.devices
    edges = np.cumsum(np.array(scenario.strata) / sum(scenario.strata))
    stratum = np.searchsorted(edges, (np.arange(count) + 0.5) / count).astype(np.int64)
    rank = np.empty((runs, count))
    order = chance.random((runs, count)).argsort(1)
    for each in range(len(scenario.strata)):
        inside = stratum == each
        places = order[:, inside].argsort(1).argsort(1)
        rank[:, inside] = (places + 0.5) / max(1, int(inside.sum()))
    control = rank >= 1 - CONTROL
    ring = np.searchsorted(np.array(RINGS), rank, side="right").astype(np.int64)
    ring = np.where(control, len(RINGS) - 1, ring)
    pairs = tuple(_pairs(rank, stratum, ring == each, control) for each in range(len(RINGS) - 1))
    rate = scenario.errors * chance.gamma(1 / scenario.spread**2, scenario.spread**2, (runs, count))
    hit = np.broadcast_to(np.full(count, True) if scenario.only is None else stratum == scenario.only, (runs, count))
    breaks = chance.random((runs, count)) < np.where(hit, max(FLAKY, scenario.fails), FLAKY)
    return Fleet(
        stratum=stratum, ring=ring, control=control, pairs=pairs, rate=np.clip(rate, 0, 0.5), hit=hit, breaks=breaks
    )


def _pairs(rank: Floats, stratum: Ints, exposed: Bools, control: Bools) -> tuple[Ints, Ints]:
    ours, theirs = [], []
    for each in range(int(stratum.max()) + 1):
        columns = np.flatnonzero(stratum == each)
        low = np.where(exposed[:, columns], rank[:, columns], np.inf).argsort(1)
        high = np.where(control[:, columns], -rank[:, columns], np.inf).argsort(1)
        most = int(min(exposed[:, columns].sum(1).max(), control[:, columns].sum(1).max()))
        enough = np.arange(most) < np.minimum(exposed[:, columns].sum(1), control[:, columns].sum(1))[:, None]
        ours.append(np.where(enough, columns[low[:, :most]], -1))
        theirs.append(np.where(enough, columns[high[:, :most]], -1))
    return np.concatenate(ours, 1), np.concatenate(theirs, 1)


def tick(scenario: Scenario, fleet: Fleet, number: int, chance: np.random.Generator) -> Tick:
    """Draw one tick of a batch of runs."""
    shape = fleet.rate.shape
    available = np.array(scenario.online)[fleet.stratum]
    online = chance.random(shape) < available
    requests = np.where(online, chance.poisson(scenario.requests, shape), 0)
    rate, slow = fleet.rate, scenario.slow
    if scenario.incident and scenario.incident[0] <= number <= scenario.incident[1]:
        rate, slow = rate * scenario.incident[2], slow * scenario.incident[2]
    if scenario.bursts:
        rate = np.where(chance.random(shape) < scenario.bursts[0], scenario.bursts[1], rate)
    failed = chance.binomial(requests, np.clip(rate, 0, 1))
    extra = np.clip(rate * (scenario.factor - 1), 0, 1)
    more = chance.binomial(requests - failed, extra) if scenario.factor > 1 else np.zeros(shape, np.int64)
    return Tick(
        online=online, requests=requests, failed=failed, more=more, slow=chance.binomial(requests, min(slow, 1.0))
    )
