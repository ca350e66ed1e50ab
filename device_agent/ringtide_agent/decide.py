"""What a model needs next: a pure look at where it stands and at what is asked of it.

Level-triggered: nothing is queued, so that the newest valid desired state always wins. The answer is an event, or
`PERFORM` for the act of the state it stands in, or `STAY`.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from ringtide_agent import own_release
from ringtide_agent.events import (
    DeferCause,
    Failed,
    ModelEvent,
    Postponed,
    RefuseCause,
    Rejected,
    Settled,
    Stranded,
    Subject,
    Unwanted,
    Wanted,
    Withdrawn,
)
from ringtide_agent.limits import LIMITS, PROBATION_RESTARTS, RETRY_AFTER_S
from ringtide_agent.orders import Order, Orders
from ringtide_agent.ports import SlotName
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
    Work,
    advance,
)
from ringtide_agent.view import PERFORM, STAY, Next, View, WayBack
from ringtide_contract.ids import format_instant
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import MAX_NOTE, Failure
from ringtide_contract.windows import open_now


def decide(view: View) -> ModelEvent | Next:
    """Return what is next for a model."""
    state = view.record.state
    if fallen := own_release.fallen(view):
        return fallen
    match state:
        case Idle() | Deferred() | Refused() | Reverted():
            return _leave_rest(view)
        case Fetching() | Staging() | Probing():
            asked = ask(view)
            if away := _away_from_banned(view, asked):
                return away
            if isinstance(asked, Wanted) and asked.subject == state.subject:
                return _try(view, state) or _later(view, state.subject, _exhausted(state))
            return asked or Settled(reason="nothing is asked any more")
        case Activating():
            return _activating(view, state)
        case Probation():
            return _probation(view, state)
        case Confirming():
            if view.active is None or view.active.digest != state.subject.manifest:
                return Settled(reason="the disk shows another release than the one to confirm")
            return _wait_or_perform(view, state)
        case Reverting() | Removing():
            return _wait_or_perform(view, state)


def ask(view: View) -> Wanted | Postponed | Rejected | Settled | Unwanted | None:
    """Return what the newest publication asks of a model now; None where it is to be left as it is, silently."""
    orders, order, active = view.orders, view.order, view.active
    if orders is None:
        return Settled(reason="no publication has been accepted yet")
    if order is None:
        return Settled(reason="the publication does not mention this model; what runs stays until one says otherwise")
    wanted = order.assignment.manifest
    if wanted is None or order.manifest is None:
        if view.active_slot is None:
            return Settled(reason=f"not to be installed ({order.assignment.reason})")
        return _hindrance(view, orders, None) or Unwanted(
            at_s=view.now_s, reason=f"not to be installed any more ({order.assignment.reason})"
        )
    subject = Subject(manifest=wanted, release=order.manifest.release)
    if active is not None and active.digest == wanted and view.record.confirmed == wanted:
        return Settled(reason=_running(view, order.manifest, order.assignment.reason))
    return (
        _objection(view, orders, subject, order.manifest)
        or _hindrance(view, orders, subject)
        or (None if _resting_on(view, subject) else _gate(view, subject, order))
    )


def way_back(view: View) -> WayBack | None:
    """Return where a revert may lead; None where nothing is left that may run, so that the device stays as it is.

    Never to a quarantined release, nor to one that failed here.
    """
    other: SlotName = "a" if view.active_slot == "b" else "b"
    content = view.slots.get(other)
    if view.agent is not None:  # the package's own version is beneath every other
        may = content is not None and own_release.may_return(view, content) and not _banned(view, content.manifest)
        return WayBack(slot=other if may else None)
    if content is None:
        return WayBack(slot=None) if view.record.confirmed is None else None
    banned = view.orders is not None and view.orders.quarantine.entry_against(content.manifest) is not None
    if banned or view.record.failure_of(content.digest) is not None:
        return None
    return WayBack(slot=other)


def failed(view: View, subject: Subject, failure: Failure) -> Failed | Stranded:
    """Return the event of a release that failed after the switch: back, or, where nothing is left, on as it is."""
    back = way_back(view)
    if back is not None:
        return Failed(subject=subject, failure=failure, to=back.slot, at_s=view.now_s, reason=failure.note)
    why = f"{failure.note}; it keeps serving, since no release is left that this device may go back to"
    return Stranded(subject=subject, failure=failure, generation=view.generation, reason=why)


def _leave_rest(view: View) -> ModelEvent | Next:
    lost = _recovery(view)
    if lost is not None:
        return lost
    asked, state = ask(view), view.record.state
    if away := _away_from_banned(view, asked):
        return away
    if asked is None or (not isinstance(asked, Wanted | Unwanted) and advance(state, asked) == state):
        return STAY
    if isinstance(asked, Rejected) and asked.cause == "failed" and _says_so_already(state, asked.subject):
        return STAY
    return asked


def _recovery(view: View) -> Withdrawn | None:
    """Return the way to a whole release where the disk has lost the active one, or the note of which one it is."""
    slot = None
    if view.agent is not None:  # what is asked for is tried anew instead: the package runs, and may be newer
        return None
    if view.active_slot is not None and view.active is None:
        back = way_back(view)
        slot = None if back is None else back.slot
    elif view.active_slot is None and view.record.confirmed is not None:  # a removal would have cleared it
        slot = next((name for name, item in view.slots.items() if item.digest == view.record.confirmed), None)
    if slot is None:
        return None
    content = view.slots[slot]
    subject = Subject(manifest=content.digest, release=content.manifest.release)
    return _withdraw(view, subject, WayBack(slot=slot), "superseded", None, "the disk has lost the active release")


def _away_from_banned(view: View, asked: ModelEvent | None) -> Withdrawn | None:
    """Return the switch from a banned release to one confirmed here; a slow moment in a trial must not prevent it."""
    kept = isinstance(asked, Settled | Unwanted) or (
        isinstance(asked, Postponed) and asked.cause in ("held", "stale", "clock")
    )
    active = view.active
    if kept or active is None or not _banned(view, active.manifest):
        return None
    back: SlotName = "a" if view.active_slot == "b" else "b"
    content = view.slots.get(back)
    if content is None or content.digest not in (view.record.confirmed, view.record.earlier):
        return None
    failure = view.record.failure_of(content.digest)
    if _banned(view, content.manifest) or (failure is not None and failure.step != "budget"):
        return None
    subject = Subject(manifest=active.digest, release=active.manifest.release)
    reason = f"{active.manifest.release} is quarantined"
    return replace(_withdraw(view, subject, WayBack(slot=back), "superseded", None, reason), confirmed=content.digest)


def _says_so_already(state: ModelState, subject: Subject) -> bool:
    """Tell whether a state already names the failure, in better words than the memory of it."""
    if isinstance(state, Reverted):
        return state.failure.manifest == subject.manifest
    return isinstance(state, Refused) and state.cause == "failed" and state.subject == subject


def _activating(view: View, state: Activating) -> ModelEvent | Next:
    content = view.slots.get(state.slot)
    if content is None or content.digest != state.subject.manifest:
        return _later(view, state.subject, "the staged slot is damaged on the disk")
    if view.active_slot != state.slot:  # not switched yet, so the newest desired state may still have its way
        asked = ask(view)
        if not (isinstance(asked, Wanted) and asked.subject == state.subject):
            return Postponed(
                subject=state.subject,
                cause="superseded",
                until=None,
                generation=view.generation,
                reason="before the switch another thing was asked",
            )
    step = _try(view, state)
    if step is not None:
        return step
    back = way_back(view) if view.active_slot == state.slot else None
    if back is None:
        return _later(view, state.subject, _exhausted(state))
    return _withdraw(view, state.subject, back, "retry", _soon(view), _exhausted(state))


def _probation(view: View, state: Probation) -> ModelEvent | Next:
    if view.active is None or view.active.digest != state.subject.manifest:
        return Settled(reason="the disk shows another release than the one on probation")
    asked, back = ask(view), way_back(view)
    if isinstance(asked, Unwanted):
        return asked
    if isinstance(asked, Wanted) and asked.subject != state.subject:
        if back is None or back.slot is None:
            return asked
        return _withdraw(view, state.subject, back, "superseded", None, f"superseded: {asked.reason}")
    # A quarantined release never means a naked device.
    may_leave = back is not None and (back.slot is not None or view.agent is not None)
    if may_leave and back and isinstance(asked, Settled | Rejected) and _banned(view, view.active.manifest):
        return _withdraw(view, state.subject, back, "superseded", None, "quarantined during probation")
    if state.tries > PROBATION_RESTARTS:
        note = f"the agent started {state.tries} times during probation"
        failure = Failure(manifest=state.subject.manifest, release=state.subject.release, step="crash", note=note)
        return failed(view, state.subject, failure)
    return PERFORM


def _objection(view: View, orders: Orders, subject: Subject, manifest: Manifest) -> Rejected | None:
    """Return why this device does not take the release at all."""

    def rejected(cause: RefuseCause, reason: str) -> Rejected:
        return Rejected(subject=subject, cause=cause, generation=orders.floor.generation, reason=reason[:MAX_NOTE])

    if manifest.hardware_class != view.hardware_class:
        return rejected("hardware", f"made for {manifest.hardware_class}, this device is {view.hardware_class}")
    entry = orders.quarantine.entry_against(manifest)
    if entry is not None:
        return rejected("quarantine", f"{manifest.release} is quarantined: {entry.reason}")
    failure = view.record.failure_of(subject.manifest)
    if failure is not None:
        return rejected(
            "failed", f"failed here before ({failure.step}: {failure.note}); a higher attempt tries it again"
        )
    if view.agent is None:
        return None
    if manifest.archive in view.agent.fallen and view.record.confirmed == subject.manifest:
        return replace(rejected("failed", own_release.NEVER_STOOD), failure=own_release.never_stood(subject))
    against = own_release.objection(view.agent, manifest)
    return None if against is None else rejected("package", against)


def _hindrance(view: View, orders: Orders, subject: Subject | None) -> Postponed | None:
    """Return why this device takes nothing new at all."""

    def postponed(cause: DeferCause, reason: str) -> Postponed:
        return Postponed(subject=subject, cause=cause, until=None, generation=orders.floor.generation, reason=reason)

    if orders.state == "held":
        return postponed("held", "the device is held; what runs stays")
    if view.staleness == "clock":
        return postponed("clock", "the clock is behind; nothing new until it is right")
    if view.staleness == "stale":
        return postponed("stale", "the publication has expired; nothing new until a fresh one")
    return None


def _resting_on(view: View, subject: Subject) -> bool:
    """Tell whether an earlier decision about this release still holds, so that it need not be worked out again."""
    state = view.record.state
    if not isinstance(state, Deferred) or state.subject != subject or state.until is None or view.now >= state.until:
        return False
    if state.cause == "retry":  # a longer rest than was ever meant comes from a clock that was set back
        return (state.until - view.now).total_seconds() <= RETRY_AFTER_S
    return state.cause in ("start", "window") and state.generation == view.generation


def _gate(view: View, subject: Subject, order: Order) -> Wanted | Postponed:
    """Return whether the ring lets this device begin now."""

    def postponed(cause: DeferCause, until: datetime | None, reason: str) -> Postponed:
        return Postponed(subject=subject, cause=cause, until=until, generation=view.generation, reason=reason)

    if view.busy:
        return postponed("busy", None, view.busy)
    ring = order.assignment.ring
    if ring is not None:
        start = ring.next_start(order.assignment.turn, view.now)
        if start is None:
            return postponed("window", None, f"no window of ring {ring.ring} opens within eight days")
        if view.now < start:
            until = format_instant(start)
            if view.now < ring.not_before or open_now(ring.windows, view.now):
                return postponed("start", start, f"ring {ring.ring} starts here at {until}")
            return postponed("window", start, f"outside the windows of ring {ring.ring}, the next turn here is {until}")
    return Wanted(subject=subject, at_s=view.now_s, reason=f"{subject.release} is asked ({order.assignment.reason})")


def _running(view: View, manifest: Manifest, asked: str) -> str:
    if _banned(view, manifest):
        return f"{manifest.release} is quarantined and the publication asks for no other; it keeps serving"
    return f"{manifest.release} runs as asked ({asked})"


def _banned(view: View, manifest: Manifest) -> bool:
    return view.orders is not None and view.orders.quarantine.entry_against(manifest) is not None


def _try(view: View, state: Fetching | Staging | Probing | Activating) -> Next | None:
    """Return whether the act is due or must wait; None where its bound is reached."""
    limit = LIMITS[type(state)]
    over_time = limit.deadline_s is not None and view.now_s - state.entered_s > limit.deadline_s
    if over_time or (limit.tries is not None and state.tries >= limit.tries):
        return None
    return _wait_or_perform(view, state)


def _wait_or_perform(view: View, state: Work) -> Next:
    return STAY if view.now_s < state.retry_at_s else PERFORM


def _exhausted(state: Work) -> str:
    return f"given up for now after {state.tries} tries: {state.reason}"[:MAX_NOTE]


def _soon(view: View) -> datetime:
    return (view.now + timedelta(seconds=RETRY_AFTER_S)).replace(microsecond=0)


def _later(view: View, subject: Subject, reason: str) -> Postponed:
    return Postponed(subject=subject, cause="retry", until=_soon(view), generation=view.generation, reason=reason)


def _withdraw(
    view: View, subject: Subject, back: WayBack, cause: DeferCause, until: datetime | None, reason: str
) -> Withdrawn:
    return Withdrawn(
        subject=subject,
        to=back.slot,
        cause=cause,
        until=until,
        generation=view.generation,
        at_s=view.now_s,
        reason=reason[:MAX_NOTE],
    )
