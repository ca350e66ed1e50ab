"""What will not happen although a reader might expect it, and why."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ringtide_contract.ids import DeviceId
from ringtide_engine.compile.memberships import is_in
from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.rows import Going
from ringtide_engine.compile.said_by_people import said_by_people
from ringtide_engine.compile.unused import unused_edits
from ringtide_engine.compile.words import count, some
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.plan_report import NO_DEVICES, Omission
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.steady_state import unfinished


def omissions(compared: Comparison) -> Iterator[Omission]:
    """Yield what a change does not do, rollout by rollout and then for the fleet."""
    before, after = compared.before.side, compared.after.side
    if after is None:
        return
    yield from _of_rows(compared)
    yield from _quarantined(compared)
    yield from _waiting([row for row in compared.rows if row.rollout is not None])
    yield from _rollouts(after.state)
    yield from said_by_people(after.state)
    for name in sorted(after.state.cohorts):
        if not any(is_in(compared.after, name, class_id) for class_id in after.resolution.classes):
            placed = sorted(each.name for each in after.state.placements.values() if each.cohort == name)
            if not placed and before is not None and before.state.cohorts.get(name) == after.state.cohorts[name]:
                continue  # a cohort in reserve is no news
            said = (
                f"nobody is reached by the placement{'s' * (len(placed) > 1)} {', '.join(placed)}"
                if placed
                else "nothing reaches anybody through it"
            )
            yield Omission(
                kind="emptyCohort",
                subject=f"cohort {name}",
                message=said,
                why="no device has the labels that its selector asks for",
                devices=NO_DEVICES,
                until="a device has these labels, or the selector is mended",
            )
    yield from _retired(after.state)
    yield from unused_edits(compared)


def _of_rows(compared: Comparison) -> Iterator[Omission]:
    """Yield the devices that rows pass over; those of a rollout's rings together."""
    for (subject, model, release), rows in _by_subject(compared.rows).items():
        named = f"{model} {release}"
        held = sorted({device for row in rows for device in row.all("going") if device in compared.after.held})
        if held and release is not None:
            yield _omission("held", subject, f"take no {named}", "they are held", held, "they are set to `active`")
        pinned = sorted({device for row in rows for device in row.all("pinned")})
        if pinned:
            yield _omission("pinned", subject, f"take no {named}", "a pin keeps them", pinned, "the pins are removed")
        unfit = sorted({device for row in rows for device in row.all("unfit")})
        if unfit:
            why = "no variant of it fits their hardware"
            yield _omission("unfit", subject, f"take no {named}", why, unfit, "a release has a variant that fits")
        banned = sorted({device for row in rows for device in row.all("banned")})
        side = compared.after.side
        entry = entry_against(side.state, model, release) if banned and side is not None else None
        if entry is not None:
            why = f"it is quarantined: {entry.reason}"
            yield _omission("quarantined", subject, f"take no {named}", why, banned, "another release is brought")


def _quarantined(compared: Comparison) -> Iterator[Omission]:
    """Yield rollouts of a release that is under quarantine: nothing is compiled for them, so no row shows them."""
    after = compared.after.side
    if after is None:
        return
    for placement in after.state.placements.values():
        for rollout in unfinished(after.state, placement):
            banned = entry_against(after.state, placement.model, rollout.candidate)
            if banned is None or any(row.rollout == rollout.name for row in compared.rows):
                continue
            devices = [
                device
                for class_id, each in after.resolution.classes.items()
                if is_in(compared.after, placement.cohort, class_id)
                for device in each.devices
            ]
            named, why = f"{placement.model} {rollout.candidate}", f"it is quarantined: {banned.reason}"
            subject, until = f"rollout {rollout.name}", "another release is brought"
            yield _omission("quarantined", subject, f"take no {named}", why, devices, until)


def _by_subject(rows: Sequence[Going]) -> Mapping[tuple[str, str, str | None], list[Going]]:
    grouped: dict[tuple[str, str, str | None], list[Going]] = defaultdict(list)
    for row in rows:
        grouped[row.cause, row.model, row.after].append(row)
    return grouped


def _omission(kind: str, subject: str, verb: str, why: str, devices: Sequence[DeviceId], until: str) -> Omission:
    message = f"{count(len(devices))} {verb if len(devices) != 1 else verb.replace('take ', 'takes ', 1)}"
    return Omission(kind=kind, subject=subject, message=message, why=why, devices=some(devices), until=until)  # type: ignore[arg-type]


def _waiting(rows: Sequence[Going]) -> Iterator[Omission]:
    """Yield rings that wait for gates, and the control that waits for the last."""
    before: dict[str, str] = {}
    for row in rows:
        ring, rollout = row.ring or "", row.rollout or ""
        going = row.all("going")
        if not row.is_now and going:
            last = before.get(rollout)
            until = f"ring {last} has passed its gates" if last else "the judge opens it with its next verdict"
            why = "rings open one after the other, and each only on evidence"
            verb = "does not take" if len(going) == 1 else "do not take"
            message = f"{count(len(going))} {verb} {row.model} {row.after} with the next publication"
            subject = f"rollout {rollout}, ring {ring}"
            yield Omission(kind="gates", subject=subject, message=message, why=why, devices=some(going), until=until)
        if row.control:
            verb = "keeps what it runs" if len(row.control) == 1 else "keep what they run"
            yield Omission(
                kind="control",
                subject=f"rollout {rollout}, the control",
                message=f"{count(len(row.control))} {verb} while the rings before {ring} are judged",
                why="the release is compared with them",
                devices=some(row.control),
                until=f"ring {ring} opens",
            )
        before[rollout] = ring


def _rollouts(state: DesiredState) -> Iterator[Omission]:
    """Yield rollouts that wait for another, that the judge holds, and that have been rolled back."""
    for name in sorted(state.placements):
        ordered = sorted(
            unfinished(state, state.placements[name]), key=lambda each: (each.name not in state.progress, each.name)
        )
        for rollout in ordered[1:]:
            yield Omission(
                kind="queued",
                subject=f"rollout {rollout.name}",
                message=f"{rollout.candidate} reaches nobody",
                why=f"{ordered[0].name} is under way on the placement {name}",
                devices=NO_DEVICES,
                until=f"{ordered[0].name} has finished",
            )
    for name in sorted(state.rollouts):
        progress = state.progress.get(name)
        if progress is not None and progress.phase == "rolledBack":
            yield Omission(
                kind="finished",
                subject=f"rollout {name}",
                message=f"{progress.candidate} reaches nobody",
                why="the judge has rolled it back",
                devices=NO_DEVICES,
                until="a rollout of another name brings another release",
            )
        elif progress is not None and progress.phase == "rolling" and progress.last.kind == "hold":
            yield Omission(
                kind="paused",
                subject=f"rollout {name}",
                message="no further ring opens with the next publication",
                why="; ".join(progress.last.reasons[:3]) or "the judge holds it",
                devices=NO_DEVICES,
                until="a verdict promotes it",
            )


def _retired(state: DesiredState) -> Iterator[Omission]:
    devices = [name for name, each in state.devices.items() if each.state == "retired" and each.pins]
    if devices:
        yield Omission(
            kind="retired",
            subject="retired devices",
            message=f"the pins of {count(len(devices))} do nothing",
            why="a retired device is no longer served",
            devices=some(devices),
            until="the pins are removed, or the device is set to `active`",
        )
