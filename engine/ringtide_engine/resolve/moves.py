"""What changes on devices with the next publication, by placement: the difference of two resolutions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import bucket
from ringtide_engine.model.assignment import Choice, ClassAssignment, Resolution
from ringtide_engine.model.selection import unit_of

Moves = Mapping[tuple[str, str, str | None, str | None], tuple[DeviceId, ...]]
"""Placement, model, release before and after, to the devices."""

_Classes = Mapping[str, Mapping[str, ClassAssignment]]


def moves(head: Resolution, base: Resolution | None) -> Moves:
    """Return the devices that run another release or variant than before, in order."""
    after, before = _by_class(head), _by_class(base)
    pairs: dict[tuple[str, str], list[DeviceId]] = defaultdict(list)
    was = base.class_of if base else {}
    for device in sorted({*head.class_of, *was}):
        pairs[was.get(device, ""), head.class_of.get(device, "")].append(device)
    found: dict[tuple[str, str, str | None, str | None], list[DeviceId]] = defaultdict(list)
    pinned = {*head.pinned, *(base.pinned if base else ())}
    for (old_class, new_class), devices in pairs.items():
        olds, news = before.get(old_class, {}), after.get(new_class, {})
        pins = {model for each in (head, base) if each for device in devices for model in each.pinned.get(device, ())}
        apart = [device for device in devices if device in pinned]
        for model in sorted({*olds, *news, *pins}):
            old, new = olds.get(model), news.get(model)
            placement = new.placement if new else old.placement if old else ""
            alike = not _split(old) and not _split(new)  # whoever is not pinned runs what the first of them runs
            for group in _groups(devices, apart, alike, pinned):
                runs, ran = _runs(head, new, model, group[0]), _runs(base, old, model, group[0]) if base else None
                if _said(runs) != _said(ran):
                    found[placement, model, _release(ran), _release(runs)].extend(group)
    return {
        key: tuple(sorted(found[key]))
        for key in sorted(found, key=lambda each: tuple(str(part or "") for part in each))
    }


def _groups(
    devices: list[DeviceId], apart: list[DeviceId], alike: bool, pinned: set[DeviceId]
) -> Iterator[list[DeviceId]]:
    """Yield devices that move alike, never none together."""
    if not alike:
        yield from ([device] for device in devices)
        return
    yield from ([device] for device in apart)
    others = [device for device in devices if device not in pinned] if apart else devices
    if others:
        yield others


def _split(assignment: ClassAssignment | None) -> bool:
    """Tell whether a rollout has exposed some devices of the class and may have left others."""
    return assignment is not None and assignment.rollout is not None and bool(assignment.rollout.ranges)


def _by_class(resolution: Resolution | None) -> _Classes:
    classes: dict[str, dict[str, ClassAssignment]] = defaultdict(dict)
    for each in resolution.assignments if resolution else ():
        classes[each.class_id][each.model] = each
    return classes


def _runs(resolution: Resolution, assignment: ClassAssignment | None, model: str, device: DeviceId) -> Choice | None:
    pinned = resolution.pinned.get(device)
    if pinned and model in pinned:
        return pinned[model]
    if assignment is None or device not in resolution.devices:
        return None
    plan = assignment.rollout
    if plan is not None and plan.ranges:
        place = bucket(plan.salt, unit_of(resolution.devices[device], plan.unit))
        if place < plan.ranges[-1].cut:
            return plan.candidate
    return assignment.stable


def _said(choice: Choice | None) -> tuple[str, str] | None:
    return (choice.release.version, choice.variant.name) if choice else None


def _release(choice: Choice | None) -> str | None:
    return choice.release.version if choice else None
