"""What people say about a rollout, written into its document: pause, resume, approve, abort."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.field_text import with_entry, with_field, without_field
from ringtide_engine.model.desired import DesiredState, Ring, Rollout
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.people import Abort, Approval, Pause

MAX_NAME = 200
MAX_REASON = 500
"""Signs of a name and of a reason, as the schema says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A rollout's document as it shall be."""

    path: str
    """Path of the file."""
    before: bytes
    """What it says now."""
    content: bytes
    """What it shall say."""
    message: str
    """Message of a commit of it."""


def pause(files: Mapping[str, bytes], name: str, *, by: str, reason: str, today: date) -> Edit:
    """Let nothing more open.

    Args:
        files: The fleet repository's files.
        name: The rollout.
        by: Who pauses it.
        reason: Why.
        today: Day that is written down.

    Raises:
        FindingsError: The desired state has errors.
        InputError: No such rollout, a finished one, or one that is paused or aborted already.
    """
    _, rollout = _open(files, name, "pause")
    if rollout.paused is not None:
        raise InputError(f"rollout {name} is paused already, by {rollout.paused.by}: {rollout.paused.reason}")
    said = Pause(by=_line(by, "--by", MAX_NAME), reason=_line(reason, "--reason", MAX_REASON), since=today)
    value = f"{{by: {_quoted(said.by)}, reason: {_quoted(said.reason)}, since: {today.isoformat()}}}"
    content = with_field(rollout.path, files[rollout.path], "paused", value)
    message = f"Pause rollout {name}\n\nBy {said.by}: {said.reason}\n"
    return _edit(files, rollout, replace(rollout, paused=said), content, message)


def resume(files: Mapping[str, bytes], name: str, *, by: str | None = None, reason: str | None = None) -> Edit:
    """Take the pause away; `by` and `reason` stand in the message of the commit only.

    Raises:
        FindingsError: The desired state has errors.
        InputError: No such rollout, a finished one, or one that is not paused.
    """
    _, rollout = _open(files, name, "resume")
    if rollout.paused is None:
        raise InputError(f"rollout {name} is not paused")
    content = without_field(rollout.path, files[rollout.path], "paused")
    was = f"It was paused by {rollout.paused.by}: {rollout.paused.reason}"
    who = f"By {_line(by, '--by', MAX_NAME)}. " if by else ""
    why = f"{_line(reason, '--reason', MAX_REASON)}. " if reason else ""
    message = f"Resume rollout {name}\n\n{who}{why}{was}\n"
    return _edit(files, rollout, replace(rollout, paused=None), content, message)


def approve(files: Mapping[str, bytes], name: str, *, by: str, role: str, ring: str | None, today: date) -> Edit:
    """Let a ring open as far as people are concerned; without a ring, approve the rollout for policies that ask.

    Raises:
        FindingsError: The desired state has errors.
        InputError: No such rollout, a finished one, a ring that is open, asks for nothing or does not ask this person.
    """
    state, rollout = _open(files, name, "approve")
    who = _line(by, "--by", MAX_NAME)
    _check_ring(state, rollout, ring, who)
    said = Approval(by=who, role=parse_name(role), day=today, ring=ring)
    if any((each.by.casefold(), each.ring, each.role) == (who.casefold(), ring, role) for each in rollout.approvals):
        raise InputError(f"{who} has approved {f'ring {ring} of ' if ring else ''}rollout {name} already")
    named = f", ring: {_quoted(ring)}" if ring else ""
    entry = f"{{by: {_quoted(who)}, role: {_quoted(role)}{named}, date: {today.isoformat()}}}"
    content = with_entry(rollout.path, files[rollout.path], "approvals", entry)
    what = f"ring {ring} of rollout {name}" if ring else f"rollout {name}"
    message = f"Approve {what}\n\nBy {who}, {role}\n"
    return _edit(files, rollout, replace(rollout, approvals=(*rollout.approvals, said)), content, message)


def abort(files: Mapping[str, bytes], name: str, *, by: str, reason: str) -> Edit:
    """Have the rollout taken back on every device that has it; a pause ends with it.

    Raises:
        FindingsError: The desired state has errors.
        InputError: No such rollout, or a finished one.
    """
    _, rollout = _open(files, name, "abort")
    said = Abort(by=_line(by, "--by", MAX_NAME), reason=_line(reason, "--reason", MAX_REASON))
    content: bytes | None = files[rollout.path]
    if rollout.paused is not None:
        content = without_field(rollout.path, files[rollout.path], "paused")
    if content is not None:
        value = f"{{by: {_quoted(said.by)}, reason: {_quoted(said.reason)}}}"
        content = with_field(rollout.path, content, "abort", value)
    message = f"Abort rollout {name}\n\nBy {said.by}: {said.reason}\n"
    return _edit(files, rollout, replace(rollout, paused=None, abort=said), content, message)


def _open(files: Mapping[str, bytes], name: str, verb: str) -> tuple[DesiredState, Rollout]:
    """Return the desired state and a rollout of it that has not finished."""
    loaded = load_desired(files)
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    rollout = loaded.state.rollouts.get(name)
    if rollout is None:
        known = ", ".join(sorted(loaded.state.rollouts)) or "none"
        raise InputError(f"there is no rollout {name[:80]}; there are: {known}")
    progress = loaded.state.progress.get(name)
    if progress is not None and progress.phase != "rolling":
        phase = "is completed" if progress.phase == "completed" else "was rolled back"
        raise InputError(f"rollout {name} {phase}: nothing is left to {verb}")
    if rollout.abort is not None:
        raise InputError(f"rollout {name} is aborted already, by {rollout.abort.by}: {rollout.abort.reason}")
    return loaded.state, rollout


def _check_ring(state: DesiredState, rollout: Rollout, name: str | None, by: str) -> None:
    plan, progress = state.ring_plans.get(rollout.ring_plan), state.progress.get(rollout.name)
    rings: Sequence[Ring] = plan.rings if plan else ()
    opened = {ring.name for ring in progress.rings} if progress else set()
    asking = [ring.name for ring in rings if ring.approval is not None and ring.name not in opened]
    found = next((ring for ring in rings if ring.name == name), None)
    if name is None:
        if asking:
            raise InputError(f"name the ring with --ring: {', '.join(asking)} of {rollout.name} ask for approval")
        return
    if found is None:
        names = ", ".join(ring.name for ring in rings) or "none"
        raise InputError(f"rollout {rollout.name} has no ring {name[:80]}; {rollout.ring_plan} has: {names}")
    if name in opened:
        raise InputError(f"ring {name} of rollout {rollout.name} is open already")
    if found.approval is None:
        raise InputError(f"ring {name} of rollout {rollout.name} asks for no approval; {_list(asking)}")
    asked = {each.casefold() for each in found.approval.approvers}
    if asked and by.casefold() not in asked:
        raise InputError(f"ring {name} asks for the approval of {', '.join(found.approval.approvers)}, not of {by}")


def _list(asking: Sequence[str]) -> str:
    return f"those that ask: {', '.join(asking)}" if asking else "none does"


def _edit(files: Mapping[str, bytes], rollout: Rollout, meant: Rollout, content: bytes | None, message: str) -> Edit:
    """Return the edit, after reading it back as what was meant."""
    after = None if content is None else load_desired({**files, rollout.path: content}).state
    if content is None or after is None or after.rollouts.get(rollout.name) != meant:
        raise InputError(
            f"{rollout.path} is laid out so that nothing can be put in; run `ringtide fmt`, or edit it by hand"
        )
    return Edit(path=rollout.path, before=files[rollout.path], content=content, message=message)


def _line(text: str, option: str, most: int) -> str:
    line = text.strip()
    if not line or len(line) > most or not line.isprintable():
        raise InputError(f"{option} takes one line of text, of 1 to {most} signs")
    return line


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
