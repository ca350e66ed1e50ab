"""What happens to a model on this device. Every event carries all that the state after it needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ringtide_agent.ports import SlotName
from ringtide_contract.ids import Digest
from ringtide_contract.report import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The release that a state or an event is about."""

    manifest: Digest
    """Digest of its manifest."""
    release: str
    """Its version, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one manifest did since a point in time, summed over serving sessions."""

    requests: int = 0
    """Requests answered."""
    failures: int = 0
    """Requests that ended in an error of ours."""
    over_budget: int = 0
    """Requests slower than the latency budget."""
    compared: int = 0
    """Live requests also answered by the stable release."""
    agreed: int = 0
    """Of these, the ones with the same answer."""
    crashes: int = 0
    """Unasked ends of the worker while the manifest was active."""


DeferCause = Literal["held", "stale", "clock", "start", "window", "busy", "retry", "superseded"]
"""Why a device waits: held by the index, an expired publication, a clock that is behind, its start in the ring has not
come, no window is open, the agent's own upgrade and a model's change take turns, the world did not answer, or another
release shall run and the switch back is done."""

RefuseCause = Literal["hardware", "quarantine", "package", "failed"]
"""Why a device does not take a release: for other hardware, banned, against the package's own word, or failed here before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    reason: str
    """The cause, one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Event):
    """The newest publication asks for a release that may be installed now."""

    subject: Subject
    """The release."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed(Event):
    """It may not be installed, or removed, now."""

    subject: Subject | None
    """The release; None where the model shall be removed."""
    cause: DeferCause
    """Why."""
    until: datetime | None
    """When to look again; None where only another publication changes it."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Event):
    """It is not taken."""

    subject: Subject
    """The release."""
    cause: RefuseCause
    """Why."""
    generation: int
    """Generation of the publication that this was decided by."""
    failure: Failure | None = None
    """What to remember, so that it is not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted(Event):
    """The newest publication says that the model is not to be installed."""

    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Event):
    """Every artifact is on the disk, whole."""

    subject: Subject
    """The release."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged(Event):
    """A slot holds the release."""

    subject: Subject
    """The release."""
    slot: SlotName
    """The slot."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Event):
    """The trial run went well."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated(Event):
    """The release answers; probation begins."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""
    baseline: Evidence
    """Its counters at this moment: only what follows is judged."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven(Event):
    """Probation has lasted long past its time without enough requests to judge by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed(Event):
    """Probation has shown what it had to."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Event):
    """The release is kept."""

    subject: Subject
    """The release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The active release failed; the device goes back."""

    subject: Subject
    """The release that failed."""
    failure: Failure
    """What to remember."""
    to: SlotName | None
    """The slot to go back to; None where there was no release before."""
    at_s: int
    """Monotonic second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    """The device goes back without blaming the release: superseded, damaged on disk, or the worker does not answer."""

    subject: Subject
    """The release that is left."""
    to: SlotName | None
    """The slot to go back to; None where there was no release before."""
    cause: DeferCause
    """Why."""
    until: datetime | None
    """When to try again; None for at once."""
    generation: int
    """Generation of the publication that this was decided by."""
    at_s: int
    """Monotonic second."""
    confirmed: Digest | None = None
    """The release gone back to, where it was confirmed here earlier and is so again; None where nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded(Event):
    """The active release failed and no release is left that may be gone back to; it keeps serving."""

    subject: Subject
    """The release that failed."""
    failure: Failure
    """What to remember."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack(Event):
    """The device runs what it ran before; the failure is remembered."""

    failure: Failure
    """The failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Event):
    """The device runs what it ran before; nobody is to blame."""

    subject: Subject
    """The release that was left."""
    cause: DeferCause
    """Why."""
    until: datetime | None
    """When to try again."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Event):
    """The model is gone from this device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faltered(Event):
    """The world did not answer; the same act again, later."""

    retry_at_s: int
    """Monotonic second of the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The agent has started in the middle of this; the act is done again from its beginning."""

    at_s: int
    """Monotonic second."""


ModelEvent = (
    Settled
    | Wanted
    | Postponed
    | Rejected
    | Unwanted
    | Fetched
    | Staged
    | Probed
    | Activated
    | Unproven
    | Passed
    | Confirmed
    | Failed
    | Withdrawn
    | Stranded
    | FellBack
    | Returned
    | Removed
    | Faltered
    | Resumed
)
