"""The room's second door: the rules in force over the documents that they select, once for all that are alike.

Two documents are alike to a rule when the fields that its condition reads are; a fleet of many devices has few that
differ in what one rule asks.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import public_pem
from ringtide_engine.model.change import ChangeSet
from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.expression import KEYS, PRESENT, Mark, Read, Wanted
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.policy import RESOLVED_PARTS
from ringtide_engine.validate.members import place_of
from ringtide_engine.validate.policy import AppliedRule, failure, narrowed, said

_FIELDS = ("apiVersion", "kind", "id", "hardwareClass", "labels", "state", "pins")
"""Fields of a device that are quick to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is judged, and what beside it."""

    state: DesiredState
    """The change."""
    base: DesiredState | None
    """What it changes; None where nothing was there before."""
    change: ChangeSet
    """The difference of the two."""
    fleet: Mapping[str, object]
    """The resolved fleet by parts."""
    today: str
    """The day, such as 2026-11-23."""


def judge(judged: Judged, applied: tuple[AppliedRule, ...]) -> tuple[Finding, ...]:
    """Return what the rules say of the documents they select, and of those they cannot answer for."""
    findings: list[Finding] = []
    for each in applied:
        select = _devices if each.rule.selects == "Device" else _documents
        findings.extend(select(judged, each))
    return tuple(findings)


def needs_resolution(applied: AppliedRule) -> bool:
    """Tell whether a rule reads parts of the fleet that only a sound desired state has."""
    return applied.parts is None or bool(applied.parts & RESOLVED_PARTS)


def _documents(judged: Judged, applied: AppliedRule) -> Iterator[Finding]:
    known: dict[str, str | None] = {}
    for data, old, place in _selected(judged, applied):
        variables = narrowed(applied, {"object": data, "old": old, "fleet": judged.fleet, "today": judged.today})
        alike = repr((variables["object"], variables["old"]))
        if alike not in known:
            known[alike] = failure(applied, variables)
        why = known[alike]
        if why is not None:
            yield said(applied, why, {**variables, "object": data}, place)


def _selected(
    judged: Judged, applied: AppliedRule
) -> Iterator[tuple[Mapping[str, object], Mapping[str, object] | None, Place]]:
    """Yield content, content in the base, and place of what a rule judges."""
    rule = applied.rule
    if rule.selects == "Change":
        data = judged.change.document()
        yield data, None, _place_within(data, rule.at)
        return
    before = judged.base.documents if judged.base else {}
    for path in sorted(judged.state.documents):
        document = judged.state.documents[path]
        if document.kind == rule.selects:
            old = before.get(path)
            yield document.data, old.data if old and old.kind == rule.selects else None, document.place(rule.at)


def _place_within(data: Mapping[str, object], pointer: str) -> Place:
    """Return the file that a pointer into a change leads to; `fleet.yaml` where it leads to none."""
    value: object = data
    for part in pointer.split("/")[1:]:
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return Place(path=value if isinstance(value, str) and value else "fleet.yaml")


def _devices(judged: Judged, applied: AppliedRule) -> Iterator[Finding]:
    state, base = judged.state, judged.base.devices if judged.base else {}
    reads, reads_old = reader(applied.wants["object"]), reader(applied.wants["old"])
    compares = applied.wants["old"] is None or bool(applied.wants["old"])
    shown: Wanted | None = None if "{publicKey" in applied.rule.message else dict.fromkeys(_FIELDS)
    alike: dict[Hashable, list[DeviceId]] = {}
    for name in sorted(state.devices):
        key: Hashable = reads(state.devices[name])
        if compares:
            old = base.get(name)
            key = (key, None if old is None else reads_old(old))
        alike.setdefault(key, []).append(name)
    for names in alike.values():
        old = base.get(names[0]) if compares else None
        variables: dict[str, object] = {
            "object": _written(state.devices[names[0]], applied.wants["object"]),
            "old": None if old is None else _written(old, applied.wants["old"]),
            "fleet": judged.fleet,
            "today": judged.today,
        }
        slim = narrowed(applied, variables)
        why = failure(applied, slim)
        if why is None:
            continue
        for name in names:
            device = state.devices[name]
            slim["object"] = _written(device, shown)
            yield said(applied, why, slim, place_of(state, device, applied.rule.at))


def reader(tree: Wanted | None) -> Callable[[Device], Hashable]:
    """Return what tells whether two devices are alike in the wanted fields."""
    if tree is None:
        return attrgetter("id")  # unlike every other: ids are
    parts = [part for key, below in tree.items() if key is not PRESENT for part in _field(key, below)]
    if len(parts) == 1:
        return parts[0]
    return lambda device: tuple([part(device) for part in parts])


def _field(key: str | Read | Mark, below: Wanted | None) -> Iterator[Callable[[Device], Hashable]]:
    match key:
        case "hardwareClass":
            yield attrgetter("hardware_class")
        case "state" | "pins" | "id":
            yield attrgetter(key)
        case "labels" if below is not None and all(isinstance(each, str | Mark) for each in below):
            if KEYS in below:
                yield lambda device: frozenset(device.labels)
            yield from (_label(each) for each in below if isinstance(each, str))
        case "labels":
            yield lambda device: frozenset(device.labels.items())
        case "apiVersion" | "kind":
            return
        case _:
            yield attrgetter("id")


def _label(label: str) -> Callable[[Device], Hashable]:
    return lambda device: device.labels.get(label)


def _written(device: Device, tree: Wanted | None) -> Mapping[str, object]:
    """Return a device as its author wrote it; the key, which is slow to write, only where it is wanted."""
    data: dict[str, object] = {
        "apiVersion": "ringtide/v1",
        "kind": "Device",
        "id": device.id,
        "hardwareClass": device.hardware_class,
        "labels": dict(device.labels),
        "state": device.state,
        "pins": [{"model": pin.model, "release": pin.release} for pin in device.pins],
    }
    if tree is None or "publicKey" in tree:
        data["publicKey"] = public_pem(device.public_key)
    return data
