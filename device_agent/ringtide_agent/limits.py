"""How long every state may last, how often its act is tried, and what then. The documentation is made from this."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ringtide_agent.state import (
    Activating,
    Confirming,
    Deferred,
    Fetching,
    Idle,
    ModelState,
    Probation,
    Probing,
    Refused,
    Removing,
    Reverted,
    Reverting,
    Staging,
)

FETCH_DEADLINE_S = 24 * 3600
"""A large model over a thin line takes hours; after a day people should hear of it."""

FETCH_TRIES = 8
"""With doubling pauses these span about ten minutes of a dead source."""

STAGE_DEADLINE_S = 600
"""A write of 64 KiB that takes longer is a disk that does not answer."""

STAGE_TRIES = 5
"""Pauses of a minute in all: a full disk does not empty itself faster."""

PROBE_DEADLINE_S = 3600
"""The prober has limits of its own; this bounds the repetitions."""

PROBE_TRIES = 3
"""A trial that could not be made three times, or that took the agent down with it, waits for a quieter hour."""

ACTIVATE_DEADLINE_S = 600
"""Between the switch on the disk and an answering worker; longer, and the stable release must answer again."""

ACTIVATE_TRIES = 3
"""A worker that does not come up three times will not the fourth."""

PROBATION_OVERDUE_FACTOR = 10
"""Probation without enough requests is called overdue after so many times its length; it never passes without them."""

PROBATION_OVERDUE_S = 24 * 3600
"""But not before a day has passed: many devices sleep at night."""

PROBATION_RESTARTS = 5
"""Restarts of the agent during one probation. A release that takes the whole device down with it shows in no counter
but this; five leaves room for a technician with the power plug."""

REACH_S = 900
"""Within so long on probation a new version of the agent polls the fleet, tells it so, and serves all models."""

VERSION_TRIALS = 3
"""A version of the agent that did not reach the fleet three times, each time after the old one had, will not."""

RETURN_TRIES = 3
"""Starts within one revert after which the package's own version is good enough: that one always starts."""

RETRY_AFTER_S = 3600
"""After the bound of a state is reached: the whole install is tried again after so long. Disk, power and network
failures are never remembered."""

BACKOFF_FIRST_S = 5
"""First pause before an act is tried again."""

BACKOFF_MOST_S = 300
"""Longest pause."""

ADVANCES_PER_TURN = 32
"""Transitions of one model in one turn of the loop; the longest way from rest to rest has twelve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The bound of one state."""

    deadline_s: int | None
    """How long it may last; None where it rests until something outside changes."""
    tries: int | None
    """How often its act may end without an answer; None where there is no safer place to go."""
    then: str
    """What happens at the bound, for people."""


_LATER = "Deferred for an hour"
_NO_SAFER_PLACE = "the same act again, five minutes apart at most: there is no safer place to go"

LIMITS: Mapping[type[ModelState], Limit] = MappingProxyType(
    {
        Idle: Limit(deadline_s=None, tries=None, then="rests until a publication asks for something else"),
        Fetching: Limit(deadline_s=FETCH_DEADLINE_S, tries=FETCH_TRIES, then=_LATER),
        Staging: Limit(deadline_s=STAGE_DEADLINE_S, tries=STAGE_TRIES, then=_LATER),
        Probing: Limit(deadline_s=PROBE_DEADLINE_S, tries=PROBE_TRIES, then=_LATER),
        Activating: Limit(
            deadline_s=ACTIVATE_DEADLINE_S, tries=ACTIVATE_TRIES, then="Reverting, then Deferred for an hour"
        ),
        Probation: Limit(
            deadline_s=PROBATION_OVERDUE_S,
            tries=PROBATION_RESTARTS,
            then="called overdue after this or ten times its length, the longer; Reverting after that many restarts",
        ),
        Confirming: Limit(deadline_s=None, tries=None, then=_NO_SAFER_PLACE),
        Reverting: Limit(deadline_s=None, tries=None, then=_NO_SAFER_PLACE),
        Removing: Limit(deadline_s=None, tries=None, then=_NO_SAFER_PLACE),
        Deferred: Limit(
            deadline_s=None, tries=None, then="looks again when its time comes, or at the next publication"
        ),
        Refused: Limit(deadline_s=None, tries=None, then="rests until a publication asks for something else"),
        Reverted: Limit(deadline_s=None, tries=None, then="rests until a publication asks for something else"),
    }
)


def pause_s(tries: int) -> int:
    """Return the pause after the given number of tries: doubling from the first to the longest."""
    return min(BACKOFF_MOST_S, BACKOFF_FIRST_S << min(tries, 16))
