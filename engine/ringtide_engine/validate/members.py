"""Who belongs to a cohort, and where a device is written."""

from collections.abc import Mapping

from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Place
from ringtide_engine.model.selection import labels_of, matches


def served(state: DesiredState) -> tuple[Device, ...]:
    """Return the devices that are not retired, by id."""
    return tuple(state.devices[each] for each in sorted(state.devices) if state.devices[each].state != "retired")


def members_of(state: DesiredState) -> Mapping[str, tuple[Device, ...]]:
    """Return the devices of every cohort that a placement or a ring names, retired ones left out."""
    used = {placement.cohort for placement in state.placements.values()}
    used |= {ring.cohort for plan in state.ring_plans.values() for ring in plan.rings if ring.cohort is not None}
    devices = [(device, labels_of(device)) for device in served(state)]
    return {
        name: tuple(device for device, labels in devices if matches(state.cohorts[name].selector, labels))
        for name in sorted(used)
        if name in state.cohorts
    }


def place_of(state: DesiredState, device: Device, pointer: str = "") -> Place:
    """Return where a device is written, or a field of it."""
    if device.pointer:  # one line of an inventory
        return Place(path=device.path, line=int(device.pointer[1:]) + 1)
    return state.documents[device.path].place(pointer)
