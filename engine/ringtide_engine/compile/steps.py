"""Steps: which release follows which on a placement or a pinned device, and on how many devices of each hardware class."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ringtide_contract.ids import DeviceId
from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Place
from ringtide_engine.model.releases import Release
from ringtide_engine.model.steady_state import stable_version, unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One release after another."""

    what: str
    """`rollout <name>`, `placement <name>`, or `the pin of <device>`."""
    model: str
    """The model."""
    old: str | None
    """Version that runs before; None: none."""
    new: str | None
    """Version that comes; None: none."""
    before: Release | None
    """The release that runs before, as it was at the base."""
    after: Release | None
    """The release that comes; None where it is not there, which is a finding."""
    place: Place
    """Where the change says so."""
    hardware: Mapping[str, int]
    """Hardware class to devices that it concerns."""
    rollout: str | None
    """The rollout, where it is one."""


def steps(before: DesiredState | None, after: DesiredState, resolution: Resolution) -> Iterator[Step]:
    """Yield the steps that a change makes or begins."""
    hardware: dict[str, Counter[str]] = {}
    for each in resolution.assignments:
        device_class = resolution.classes[each.class_id]
        counts = hardware.setdefault(each.placement, Counter())
        counts[device_class.hardware_class] += len(device_class.devices)
    for name in sorted(after.placements):
        placement, was = after.placements[name], None if before is None else before.placements.get(name)
        old = None if before is None or was is None else stable_version(before, was)
        new = stable_version(after, placement)
        counts = hardware.get(name, Counter())
        place = at(after, placement.path, "/release")
        if old != new and before is not None:
            yield _step(before, after, (f"placement {name}", placement.model, old, new), place, counts, None)
        for rollout in unfinished(after, placement):
            if before is None or before.rollouts.get(rollout.name) != rollout:
                what = (f"rollout {rollout.name}", placement.model, new, rollout.candidate)
                place_ = at(after, rollout.path, "/candidate")
                yield _step(before, after, what, place_, counts, rollout.name)
    yield from _pins(before, after, resolution)


def at(state: DesiredState, path: str, pointer: str = "") -> Place:
    """Return where a field of a document stands, or the file."""
    document = state.documents.get(path)
    return Place(path=path) if document is None else document.place(pointer)


def _pins(before: DesiredState | None, after: DesiredState, resolution: Resolution) -> Iterator[Step]:
    for name in resolution.devices:
        device = after.devices[name]
        was = None if before is None else before.devices.get(name)
        pins = {} if was is None else {pin.model: pin.release for pin in was.pins}
        for number, pin in enumerate(device.pins):
            if before is None or pins.get(pin.model) == pin.release:
                continue
            runs = pins.get(pin.model) or _placed(resolution, name, pin.model)
            place = at(after, device.path, f"/pins/{number}/release")
            if device.pointer:
                place = Place(path=device.path, line=int(device.pointer[1:]) + 1)
            what = (f"the pin of {name}", pin.model, runs, pin.release)
            yield _step(before, after, what, place, {device.hardware_class: 1}, None)


def _placed(resolution: Resolution, device: str, model: str) -> str | None:
    class_id = resolution.class_of.get(DeviceId(device))
    for each in resolution.assignments:
        if (each.class_id, each.model) == (class_id, model) and each.stable is not None:
            return each.stable.release.version
    return None


def _step(
    before: DesiredState | None,
    after: DesiredState,
    what: tuple[str, str, str | None, str | None],
    place: Place,
    hardware: Mapping[str, int],
    rollout: str | None,
) -> Step:
    name, model, old, new = what
    known = {} if before is None else before.releases
    return Step(
        what=name,
        model=model,
        old=old,
        new=new,
        before=None if old is None else known.get((model, old)) or after.releases.get((model, old)),
        after=None if new is None else after.releases.get((model, new)),
        place=place,
        hardware=dict(hardware),
        rollout=rollout,
    )
