"""The states of the device towards the publication, and the table of what follows what.

One poll is one line: Waiting, Pulling, Verifying, Waiting. It is never journaled: after a restart the device polls.
Seconds ending in `_s` are monotonic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ringtide_agent.orders import Orders
from ringtide_contract.acceptance import Floor

POLL_BACKOFF_MOST_S = 3600
"""A dead source is asked once an hour at least, so that a device is back within the hour after its repair."""

WAKE_GAP_S = 5
"""Hints to poll are not authentic; polls are never closer together than this."""

EXPIRED_RULES = frozenset({"TUF-EXPIRED", "ACCEPT-07"})
"""Refusals that say no more than: too old to install from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Until the next poll."""

    reason: str
    """How the last poll ended, for people."""
    next_s: int = 0
    """Monotonic second of the next poll."""
    missed: int = 0
    """Polls in a row that got no answer."""
    clock_behind: bool = False
    """Whether the clock shows a time before the newest signed one; no poll is made then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """The source is asked."""

    missed: int
    """Polls in a row that got no answer before this."""
    reason: str = "a poll is due"
    """For people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """What came is checked."""

    missed: int
    """Polls in a row that got no answer before this."""
    reason: str
    """What came, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrusting:
    """What came was refused; what was accepted before stays in force until the next poll and beyond."""

    rule: str
    """The rule that refused."""
    reason: str
    """For people."""
    next_s: int
    """Monotonic second of the next poll."""


PublicationState = Waiting | Pulling | Verifying | Distrusting


@dataclass(frozen=True, slots=True, kw_only=True)
class PollDue:
    """It is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBehind:
    """The clock is not to be believed; nothing is polled, since nothing could be checked for expiry."""

    reason: str
    """For people."""
    next_s: int
    """When to look at the clock again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The source answered."""

    commit: str
    """Name of the state it showed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The source, or the own disk, did not answer."""

    reason: str
    """For people."""
    next_s: int
    """When to poll again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A publication passed every rule."""

    orders: Orders
    """What it says of this device."""
    floor: Floor
    """The floor from now on."""
    next_s: int
    """When to poll again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The very publication that is in force; its metadata is fresh."""

    next_s: int
    """When to poll again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrusted:
    """A rule refused it."""

    rule: str
    """The rule."""
    reason: str
    """For people."""
    next_s: int
    """When to poll again."""


PublicationEvent = PollDue | ClockBehind | Opened | Missed | Taken | Unchanged | Untrusted

TRANSITIONS: Mapping[tuple[type[PublicationState], type[PublicationEvent]], type[PublicationState]] = MappingProxyType(
    {
        (Waiting, PollDue): Pulling,
        (Waiting, ClockBehind): Waiting,
        (Distrusting, PollDue): Pulling,
        (Distrusting, ClockBehind): Waiting,
        (Pulling, Opened): Verifying,
        (Pulling, Missed): Waiting,
        (Verifying, Taken): Waiting,
        (Verifying, Unchanged): Waiting,
        (Verifying, Untrusted): Distrusting,
        (Verifying, Missed): Waiting,
    }
)
"""(state, event) to state. A pair that is not here is a mistake in the program and raises."""


def advance(state: PublicationState, event: PublicationEvent) -> PublicationState:
    """Return the state after `event`.

    Raises:
        TypeError: The state does not take this event.
    """
    if (type(state), type(event)) not in TRANSITIONS:
        raise TypeError(f"{type(state).__name__} does not take {type(event).__name__}")
    missed = 0 if isinstance(state, Distrusting) else state.missed
    match event:
        case PollDue():
            return Pulling(missed=missed)
        case ClockBehind(reason=why, next_s=at):
            return Waiting(reason=why, next_s=at, clock_behind=True)
        case Opened(commit=commit):
            return Verifying(missed=missed, reason=f"the source shows {commit[:12]}")
        case Missed(reason=why, next_s=at):
            return Waiting(reason=why, next_s=at, missed=missed + 1)
        case Taken(orders=orders, next_s=at):
            return Waiting(reason=f"generation {orders.floor.generation} accepted", next_s=at)
        case Unchanged(next_s=at):
            return Waiting(reason="nothing new", next_s=at)
        case Untrusted(rule=rule, reason=why, next_s=at):
            return Distrusting(rule=rule, reason=why, next_s=at)


def next_poll_s(now_s: int, interval_s: int, missed: int, chance: float) -> int:
    """Return when to poll again: a tenth of jitter around the interval, doubling while the source is dead.

    Args:
        now_s: Monotonic second.
        interval_s: The configured interval.
        missed: Polls in a row without an answer, this one included.
        chance: A random number in [0, 1), so that a fleet does not poll in step.
    """
    if not missed:
        return now_s + max(1, round(interval_s * (0.9 + 0.2 * chance)))
    most = max(interval_s, POLL_BACKOFF_MOST_S)
    pause = min(most, interval_s << min(missed, 16))
    return now_s + max(1, round(pause * (0.5 + 0.5 * chance)))
