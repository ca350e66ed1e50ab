"""What people have said about a rollout, and what of it stands in the way of the next ring."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from ringtide_contract.canonical import Json
from ringtide_contract.ids import format_instant
from ringtide_engine.judge.opening import next_ring
from ringtide_engine.judge.words import named
from ringtide_engine.model.desired import Ring
from ringtide_engine.model.people import Approval
from ringtide_engine.model.verdict import Reason, RolloutView

MAX_NAME = 50
"""Signs of a name within a sentence; the evidence holds it whole."""


def aborted(view: RolloutView) -> tuple[Reason, ...]:
    """Return who wants the rollout taken back; nobody undoes a completed one by this."""
    abort, progress = view.rollout.abort, view.progress
    if abort is None or (progress is not None and progress.phase == "completed"):
        return ()
    text = f"aborted by {abort.by}: {abort.reason}"
    return (Reason(code="aborted", subject=view.rollout.name, text=text),)


def held_back(view: RolloutView, now: datetime) -> tuple[Reason, ...]:
    """Return what people have put before the next ring: a pause, freezes, approvals that are missing.

    A pause holds completion too, so that gates go on being judged; a freeze does not, since nobody new is exposed by it.
    """
    reasons: list[Reason] = []
    pause, ring = view.rollout.paused, next_ring(view)
    if pause is not None:
        since = f" since {pause.since.isoformat()}" if pause.since else ""
        text = f"paused by {pause.by}{since}: {pause.reason}"
        reasons.append(Reason(code="paused", subject=view.rollout.name, text=text))
    if ring is None:
        return tuple(reasons)
    for freeze in view.freezes:
        if freeze.covers(now):
            text = f"no ring opens until {format_instant(freeze.ends)}: {freeze.reason}"
            subject = f"{freeze.first.isoformat()}/{freeze.until.isoformat()}"
            reasons.append(Reason(code="frozen", subject=subject, text=text))
    missing = _missing(view, ring)
    return (*reasons, missing) if missing is not None else tuple(reasons)


def _missing(view: RolloutView, ring: Ring) -> Reason | None:
    need = ring.approval
    if need is None:
        return None
    given = dict.fromkeys(each.by for each in counted(view, ring))
    lacking = need.least - len({by.casefold() for by in given})
    if lacking <= 0:
        return None
    wanted = f" of {_names(need.approvers)}" if need.approvers else ""
    there = f"; approved by {_names(given)}" if given else ""
    beside = {each.by for each in view.rollout.approvals if each.ring == ring.name} - given.keys()
    there += f"; the word of {_names(sorted(beside))} does not count" if beside else ""
    noun = "approval" if lacking == 1 else "approvals"
    text = f"ring {ring.name}: opens after {lacking} more {noun}{wanted}{there}"
    return Reason(code="approval", subject=ring.name, text=text)


def counted(view: RolloutView, ring: Ring) -> tuple[Approval, ...]:
    """Return the approvals that count for a ring; none where it asks for none."""
    need = ring.approval
    if need is None:
        return ()
    # Forges do not tell names by case, so one person must not count twice by it.
    names = {name.casefold() for name in need.approvers}
    return tuple(
        each for each in view.rollout.approvals if each.ring == ring.name and (not names or each.by.casefold() in names)
    )


def approved(view: RolloutView) -> tuple[Reason, ...]:
    """Return who has let the next ring open, where it asked for somebody."""
    ring = next_ring(view)
    given = () if ring is None else tuple(dict.fromkeys(each.by for each in counted(view, ring)))
    if ring is None or not given:
        return ()
    return (Reason(code="approved", subject=ring.name, text=f"ring {ring.name}: approved by {_names(given)}"),)


def _names(people: Iterable[str]) -> str:
    """Join names, a few of them and none beyond bounds: a progress file holds only so much of a sentence."""
    short = [name[:MAX_NAME] for name in people]
    return named(short, len(short))


def said_by_people(view: RolloutView, now: datetime) -> Mapping[str, Json]:
    """Return for the evidence what people had said of the rollout when it was judged; empty where nothing."""
    rollout, ring = view.rollout, next_ring(view)
    said: dict[str, Json] = {}
    if rollout.paused is not None:
        since = rollout.paused.since
        said["paused"] = {
            "by": rollout.paused.by,
            "reason": rollout.paused.reason,
            "since": None if since is None else since.isoformat(),
        }
    if rollout.abort is not None:
        said["abort"] = {"by": rollout.abort.by, "reason": rollout.abort.reason}
    given = () if ring is None else counted(view, ring)
    if ring is not None and given:
        said["approvals"] = [
            {"ring": ring.name, "by": each.by, "role": each.role, "date": each.day.isoformat()} for each in given
        ]
    freezes: list[Json] = [
        {"from": format_instant(each.begins), "to": format_instant(each.ends), "reason": each.reason}
        for each in view.freezes
        if each.covers(now)
    ]
    if freezes:
        said["freezes"] = freezes
    return said
