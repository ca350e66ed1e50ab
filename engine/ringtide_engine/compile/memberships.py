"""Who joins and leaves which cohort, and what they will run."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ringtide_contract.ids import DeviceId
from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.sides import Picture
from ringtide_engine.compile.words import count, some
from ringtide_engine.model.desired import DesiredState, Placement
from ringtide_engine.model.plan_report import MembershipChange
from ringtide_engine.model.selection import matches


def memberships(compared: Comparison) -> tuple[MembershipChange, ...]:
    """Return the changes of cohorts since the base; none before the first publication."""
    before, after = compared.before.side, compared.after.side
    if before is None or after is None:
        return ()
    answer: list[MembershipChange] = []
    for name in sorted({*before.state.cohorts, *after.state.cohorts}):
        joined: list[DeviceId] = []
        left: list[DeviceId] = []
        for (old, new), devices in compared.ways.items():
            was, is_ = is_in(compared.before, name, old), is_in(compared.after, name, new)
            if was != is_:
                (left if was else joined).extend(devices)
        if joined or left:
            answer.extend(_told(compared, name, before.state, after.state, joined, left))
    return tuple(answer)


def is_in(picture: Picture, cohort: str, class_id: str | None) -> bool:
    """Tell whether a cohort of one side chooses a class of it."""
    if picture.side is None or class_id is None:
        return False
    known = picture.side.state.cohorts.get(cohort)
    if known is None:
        return False
    device_class = picture.side.resolution.classes[class_id]
    return matches(known.selector, device_class.selectable_labels)


def _told(
    compared: Comparison,
    cohort: str,
    before: DesiredState,
    after: DesiredState,
    joined: Sequence[DeviceId],
    left: Sequence[DeviceId],
) -> Iterator[MembershipChange]:
    placements: dict[str, Placement] = {}
    for state in (before, after):
        placements |= {name: each for name, each in state.placements.items() if each.cohort == cohort}
    names: list[str | None] = [*sorted(placements)] or [None]
    for name in names:
        model = None if name is None else placements[name].model
        parts = [
            f"those that {verb}: {_runs(compared, model, devices)}"
            for verb, devices in (("join", joined), ("leave", left))
            if devices
        ]
        effect = "; ".join(parts) if model is not None else "no placement is over this cohort"
        yield MembershipChange(cohort=cohort, placement=name, joined=some(joined), left=some(left), effect=effect)


def _runs(compared: Comparison, model: str | None, devices: Sequence[DeviceId]) -> str:
    if model is None:
        return ""
    after, before = compared.after, compared.before
    runs: Counter[tuple[str | None, str | None]] = Counter()
    for device in devices:
        old, new = before.class_of.get(device), after.class_of.get(device)
        was = before.release(before.run(old, model, device).manifest)
        runs[was, after.release(after.run(new, model, device).manifest) if new else "no longer served"] += 1
    return ", ".join(
        f"{count(number)} {_step(model, *step)}"
        for step, number in sorted(runs.items(), key=lambda each: (-each[1], str(each[0])))
    )


def _step(model: str, old: str | None, new: str | None) -> str:
    if new == "no longer served":
        return "no longer served"
    will = f"will run {model} {new}" if new else f"will run no {model}"
    if old == new:
        return f"{will}, as before"
    return f"{will} (now {old or 'none'})"
