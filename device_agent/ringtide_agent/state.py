"""The states of one model on this device, and the table of what follows what.

The way of an install is one line: Idle, Fetching, Staging, Probing, Activating, Probation, Confirming, Idle. Before
`Activating` nothing that serves has changed, so a failure there needs no way back. Pulling and Verifying belong to the
device, not to a model; see `publication_state`. Shadowing (a candidate beside the current release before the switch)
is left out: the agreement of both is judged during probation, where the stable release stays loaded.

Seconds ending in `_s` are monotonic and mean nothing after a restart; the journal leaves them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from ringtide_agent import events
from ringtide_agent.events import DeferCause, Evidence, ModelEvent, RefuseCause, Subject
from ringtide_agent.ports import SlotName
from ringtide_contract.ids import Digest
from ringtide_contract.report import Failure

NOTHING_SEEN = Evidence()
"""Counters of a service that has just begun to count."""

MAX_FAILURES = 16
"""Remembered failures per model. A fleet that wants a seventeenth bad release tried has other worries than the first
being tried again, and a report stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Base of states that wait for the publication, the clock or the operator."""

    reason: str
    """Why the model stands here, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle(Rest):
    """Nothing to do: the model runs what is asked, or nothing is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(Rest):
    """Something is to be done, later."""

    subject: Subject | None
    """The release; None where the model shall be removed."""
    cause: DeferCause
    """Why it waits."""
    until: datetime | None
    """When to look again; None: with another publication."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Rest):
    """The release is not taken; what serves has not changed."""

    subject: Subject
    """The release."""
    cause: RefuseCause
    """Why."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted(Rest):
    """The release served, failed, and the device went back."""

    failure: Failure
    """What failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Base of states that act: tries and times of the act."""

    reason: str
    """Why the model stands here, for people."""
    entered_s: int = 0
    """Monotonic second of the entry."""
    tries: int = 0
    """Tries that ended without an answer, agent restarts among them."""
    retry_at_s: int = 0
    """Monotonic second before which nothing is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching(Work):
    """Artifacts are brought to the disk."""

    subject: Subject
    """The release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging(Work):
    """The manifest is written to the slot that does not serve."""

    subject: Subject
    """The release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing(Work):
    """The release is tried in a process of its own."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activating(Work):
    """The switch: one atomic step on the disk, then the service."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probation(Work):
    """The release serves and is watched; the stable one stays loaded. `tries` counts agent restarts."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""
    baseline: Evidence = NOTHING_SEEN
    """Its counters at the entry; zero after a restart, since the service counts anew then."""
    overdue: bool = False
    """Whether it has lasted long past its time for want of requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming(Work):
    """Probation has passed; the stable release is let go."""

    subject: Subject
    """The release."""
    slot: SlotName
    """Its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverting(Work):
    """The switch back."""

    subject: Subject
    """The release that is left."""
    to: SlotName | None
    """The slot to go back to; None where there was no release before."""
    failure: Failure | None
    """What is remembered of it; None where nobody is to blame."""
    cause: DeferCause
    """Where nobody is to blame: why it is left."""
    until: datetime | None
    """When to try again; None for at once."""
    generation: int
    """Generation of the publication that this was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removing(Work):
    """The model leaves this device."""


ModelState = (
    Idle
    | Deferred
    | Refused
    | Reverted
    | Fetching
    | Staging
    | Probing
    | Activating
    | Probation
    | Confirming
    | Reverting
    | Removing
)

_FROM_REST: tuple[tuple[type[ModelEvent], type[ModelState]], ...] = (
    (events.Settled, Idle),
    (events.Wanted, Fetching),
    (events.Postponed, Deferred),
    (events.Rejected, Refused),
    (events.Unwanted, Removing),
    (events.Withdrawn, Reverting),
)

_BEFORE_SWITCH = _FROM_REST
"""Until the switch the newest publication supersedes whatever is under way."""

TRANSITIONS: Mapping[tuple[type[ModelState], type[ModelEvent]], type[ModelState]] = MappingProxyType(
    {
        **{(rest, event): state for rest in (Idle, Deferred, Refused, Reverted) for event, state in _FROM_REST},
        **{(work, event): state for work in (Fetching, Staging, Probing) for event, state in _BEFORE_SWITCH},
        (Fetching, events.Fetched): Staging,
        (Fetching, events.Faltered): Fetching,
        (Fetching, events.Resumed): Fetching,
        (Staging, events.Staged): Probing,
        (Staging, events.Faltered): Staging,
        (Staging, events.Resumed): Staging,
        (Probing, events.Probed): Activating,
        (Probing, events.Faltered): Probing,
        (Probing, events.Resumed): Probing,
        (Activating, events.Activated): Probation,
        (Activating, events.Failed): Reverting,
        (Activating, events.Stranded): Refused,
        (Activating, events.Withdrawn): Reverting,
        (Activating, events.Postponed): Deferred,
        (Activating, events.Faltered): Activating,
        (Activating, events.Resumed): Activating,
        (Probation, events.Passed): Confirming,
        (Probation, events.Failed): Reverting,
        (Probation, events.Stranded): Refused,
        (Probation, events.Withdrawn): Reverting,
        (Probation, events.Unproven): Probation,
        (Probation, events.Wanted): Fetching,
        (Probation, events.Unwanted): Removing,
        (Probation, events.Settled): Idle,
        (Probation, events.Resumed): Probation,
        (Confirming, events.Confirmed): Idle,
        (Confirming, events.Settled): Idle,
        (Confirming, events.Resumed): Confirming,
        (Reverting, events.FellBack): Reverted,
        (Reverting, events.Returned): Deferred,
        (Reverting, events.Faltered): Reverting,
        (Reverting, events.Resumed): Reverting,
        (Removing, events.Removed): Idle,
        (Removing, events.Faltered): Removing,
        (Removing, events.Resumed): Removing,
    }
)
"""(state, event) to state. A pair that is not here is a mistake in the program and raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the journal keeps of one model."""

    state: ModelState
    """Where it stands."""
    confirmed: Digest | None = None
    """Manifest of the release that passed probation here last; never of one under way."""
    earlier: Digest | None = None
    """Manifest that was confirmed before that one; it needs no new proof where the one after it is banned."""
    failures: tuple[Failure, ...] = ()
    """What failed here, oldest first."""

    def failure_of(self, manifest: Digest) -> Failure | None:
        """Return what is remembered of `manifest`; its digest covers the attempt."""
        return next((failure for failure in self.failures if failure.manifest == manifest), None)


FRESH = Record(state=Idle(reason="nothing has been asked yet"))
"""The record of a model that this device has never heard of."""


def apply(record: Record, event: ModelEvent) -> Record:
    """Return the record after `event`.

    Raises:
        TypeError: The state does not take this event.
    """
    state = advance(record.state, event)
    confirmed, earlier, failures = record.confirmed, record.earlier, record.failures
    match event:
        case events.Confirmed(subject=subject) if subject.manifest != confirmed:
            confirmed, earlier = subject.manifest, confirmed
        case events.Withdrawn(confirmed=again) if again is not None:
            confirmed, earlier = again, None
        case events.Removed():
            confirmed = earlier = None
        case events.Failed(failure=failure) | events.Stranded(failure=failure) | events.Rejected(failure=failure):
            if failure is not None and record.failure_of(failure.manifest) is None:
                failures = (*failures, failure)[-MAX_FAILURES:]
    return Record(state=state, confirmed=confirmed, earlier=earlier, failures=failures)


def advance(state: ModelState, event: ModelEvent) -> ModelState:
    """Return the state after `event`.

    Raises:
        TypeError: The state does not take this event.
    """
    kind = TRANSITIONS.get((type(state), type(event)))
    if kind is None:
        raise TypeError(f"{type(state).__name__} does not take {type(event).__name__}")
    after = _enter(state, event)
    if type(after) is not kind:
        raise TypeError(f"{type(event).__name__} made {type(after).__name__} where the table says {kind.__name__}")
    return after


def _enter(state: ModelState, event: ModelEvent) -> ModelState:
    why = event.reason
    match event:
        case events.Settled() | events.Confirmed() | events.Removed():
            return Idle(reason=why)
        case events.Wanted(subject=subject, at_s=at):
            return Fetching(subject=subject, entered_s=at, reason=why)
        case events.Postponed(subject=waiting, cause=cause, until=until, generation=generation):
            return Deferred(subject=waiting, cause=cause, until=until, generation=generation, reason=why)
        case events.Rejected(subject=subject, cause=refusal, generation=generation):
            return Refused(subject=subject, cause=refusal, generation=generation, reason=why)
        case events.Unwanted(at_s=at):
            return Removing(entered_s=at, reason=why)
        case events.Fetched(subject=subject, at_s=at):
            return Staging(subject=subject, entered_s=at, reason=why)
        case events.Staged(subject=subject, slot=slot, at_s=at):
            return Probing(subject=subject, slot=slot, entered_s=at, reason=why)
        case events.Probed(subject=subject, slot=slot, at_s=at):
            return Activating(subject=subject, slot=slot, entered_s=at, reason=why)
        case events.Activated(subject=subject, slot=slot, baseline=baseline, at_s=at):
            return Probation(subject=subject, slot=slot, baseline=baseline, entered_s=at, reason=why)
        case events.Passed(subject=subject, slot=slot, at_s=at):
            return Confirming(subject=subject, slot=slot, entered_s=at, reason=why)
        case events.Failed(subject=subject, failure=failure, to=to, at_s=at):
            return Reverting(
                subject=subject,
                to=to,
                failure=failure,
                cause="retry",
                until=None,
                generation=0,
                entered_s=at,
                reason=why,
            )
        case events.Withdrawn(subject=subject, to=to, cause=cause, until=until, generation=generation, at_s=at):
            return Reverting(
                subject=subject,
                to=to,
                failure=None,
                cause=cause,
                until=until,
                generation=generation,
                entered_s=at,
                reason=why,
            )
        case events.Stranded(subject=subject, generation=generation):
            return Refused(subject=subject, cause="failed", generation=generation, reason=why)
        case events.FellBack(failure=failure):
            return Reverted(failure=failure, reason=why)
        case events.Returned(subject=subject, cause=cause, until=until, generation=generation):
            return Deferred(subject=subject, cause=cause, until=until, generation=generation, reason=why)
        case events.Unproven() if isinstance(state, Probation):
            return replace(state, overdue=True, reason=why)
        case events.Faltered(retry_at_s=retry) if isinstance(state, Work):
            return replace(state, tries=state.tries + 1, retry_at_s=retry, reason=why)
        case events.Resumed(at_s=at) if isinstance(state, Probation):
            fresh = replace(state, baseline=NOTHING_SEEN, overdue=False)
            return replace(fresh, entered_s=at, retry_at_s=at, tries=state.tries + 1, reason=why)
        case events.Resumed(at_s=at) if isinstance(state, Work):
            return replace(state, entered_s=at, retry_at_s=at, tries=state.tries + 1, reason=why)
    raise TypeError(f"{type(state).__name__} does not take {type(event).__name__}")
