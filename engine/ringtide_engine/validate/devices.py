"""Devices: one identity each, sensible pins."""

from collections.abc import Iterator

from ringtide_contract.keys import key_hint
from ringtide_engine.model.desired import HARDWARE_LABEL, DesiredState, Device
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.members import place_of, served


def devices(state: DesiredState) -> Iterator[Finding]:
    """Yield what is wrong with the devices."""
    if not served(state):
        yield finding("RT-DEVICE-005", state.documents["fleet.yaml"].place("/name"), "no device is enrolled yet")
    keys: dict[str, Device] = {}
    for device in state.devices.values():
        for key, field in zip(device.keys, ("publicKey", "previousKey"), strict=False):
            other = keys.setdefault(key_hint(key), device)
            if other is not device:
                message = f"{device.id} has the public key of {other.id}, so either can speak as the other"
                yield finding("RT-DEVICE-002", place_of(state, device, f"/{field}"), message)
        if HARDWARE_LABEL in device.labels:
            message = f"the label {HARDWARE_LABEL} comes from the field of that name"
            yield finding("RT-DEVICE-007", place_of(state, device, f"/labels/{HARDWARE_LABEL}#"), message)
        pinned: set[str] = set()
        for number, pin in enumerate(device.pins):
            if pin.model in pinned:
                message = f"{device.id} is pinned twice for {pin.model}"
                yield finding("RT-DEVICE-003", place_of(state, device, f"/pins/{number}"), message)
            pinned.add(pin.model)
