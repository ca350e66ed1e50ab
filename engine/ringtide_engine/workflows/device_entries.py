"""Entries of devices: a new one from the document that its agent printed, and the state of one that is there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_device_id
from ringtide_contract.keys import parse_public_key
from ringtide_engine.load.desired import load_desired, read_document
from ringtide_engine.model.desired import Device
from ringtide_engine.model.finding import Document, Finding, FindingsError
from ringtide_engine.model.policy import PolicyEngine
from ringtide_engine.workflows.check import check

State = Literal["active", "held", "retired"]

_MODELINE = b"# yaml-language-server: $schema=../.ringtide/schemas/device.json\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the fleet repository as it shall be."""

    path: str
    """Path."""
    content: bytes
    """Content."""
    findings: tuple[Finding, ...] = ()
    """What `check` says of it that is no error."""


def new_entry(files: Mapping[str, bytes], content: bytes, source: str, *, today: date, engine: PolicyEngine) -> Entry:
    """Return the entry of a device that is not enrolled yet.

    Args:
        files: The fleet repository's files.
        content: The Device document.
        source: Where it comes from, for findings.
        today: The day on which waivers must not have expired.
        engine: Evaluates policy conditions.

    Raises:
        FindingsError: The document is not a Device, or the fleet would have errors in it.
        InputError: The device is there already.
    """
    document = read_document(source, content, "Device")
    if not isinstance(document, Document):
        raise FindingsError(document)
    path = f"devices/{parse_device_id(str(document.data['id']))}.yaml"
    if path in files:
        raise InputError(f"{path} is there already; `ringtide device rekey` gives a device another key")
    added = b"" if b"yaml-language-server" in content else _MODELINE
    outcome = check({**files, path: added + content}, None, today, engine)
    findings = tuple(each for each in outcome.findings if each.place.path == path)
    if any(each.severity == "error" for each in findings):
        raise FindingsError(tuple(_in_source(each, source, added.count(b"\n")) for each in findings))
    return Entry(path=path, content=added + content, findings=findings)


def _in_source(found: Finding, source: str, added: int) -> Finding:
    """Place a finding on a new file where its author wrote it, before lines were added on top."""
    return replace(found, place=replace(found.place, path=source, line=max(1, found.place.line - added)))


def find_device(files: Mapping[str, bytes], device: str) -> Device:
    """Return a device of the fleet.

    Raises:
        FindingsError: The desired state has errors.
        InputError: It has no such device.
    """
    loaded = load_desired(files)
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    found = loaded.state.devices.get(parse_device_id(device))
    if found is None:
        raise InputError(f"the fleet has no device {device}; `ringtide device list` names them")
    return found


def rekeyed(files: Mapping[str, bytes], content: bytes, source: str) -> Entry:
    """Return the file of an enrolled device with the keys of a document in it and everything else as it was.

    Args:
        files: The fleet repository's files.
        content: The document that `ringtide-agent enroll` or `rotate-key` printed.
        source: Where it comes from, for findings.

    Raises:
        FindingsError: The document is not a Device, or the desired state has errors.
        InputError: The fleet has no such device, the key is another device's, or the file is written in a way in which
            keys cannot be replaced.
    """
    document = read_document(source, content, "Device")
    if not isinstance(document, Document):
        raise FindingsError(document)
    device = find_device(files, str(document.data["id"]))
    keys = {name: str(document.data[name]) for name in ("publicKey", "previousKey") if name in document.data}
    text = files[device.path].decode("utf-8")
    edited = (_keys_in_line if device.pointer else _keys_in_document)(text, device, keys).encode("utf-8")
    loaded = load_desired({**files, device.path: edited})
    before = keys.get("previousKey")
    expected = replace(
        device,
        public_key=parse_public_key(keys["publicKey"]),
        previous_key=None if before is None else parse_public_key(before),
    )
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    if loaded.state.devices.get(device.id) != expected:
        raise InputError(f"the keys cannot be replaced in {device.path}; write them by hand")
    return Entry(path=device.path, content=edited)


def _keys_in_document(text: str, device: Device, keys: Mapping[str, str]) -> str:
    document = read_document(device.path, text.encode("utf-8"), "Device")
    if not isinstance(document, Document):
        raise FindingsError(document)
    lines = text.splitlines(keepends=True)
    number, column = document.marks["/publicKey#"]
    indent = " " * (column - 1)
    written = [
        f"{indent}{part}\n"
        for name, pem in keys.items()
        for part in (f"{name}: |", *(f"  {line}" for line in pem.splitlines()))
    ]
    gone: set[int] = set()
    for name in ("publicKey", "previousKey"):
        if f"/{name}#" in document.marks:
            first = document.marks[f"/{name}#"][0] - 1
            gone.add(first)
            for follows in range(first + 1, len(lines)):
                if not lines[follows].startswith(f"{indent} "):
                    break
                gone.add(follows)
    kept = [line for position, line in enumerate(lines[: number - 1]) if position not in gone]
    rest = [line for position, line in enumerate(lines) if position >= number and position not in gone]
    return "".join([*kept, *written, *rest])


def _keys_in_line(text: str, device: Device, keys: Mapping[str, str]) -> str:
    lines = text.split("\n")
    number = int(device.pointer[1:])
    before = {name: value for name, value in json.loads(lines[number]).items() if name != "previousKey"}
    lines[number] = json.dumps({**before, **keys}, ensure_ascii=False)
    return "\n".join(lines)


def with_state(files: Mapping[str, bytes], device: Device, state: State) -> Entry:
    """Return the file of a device with another state in it and everything else, comments too, as it was.

    Raises:
        InputError: The file is written in a way in which the state cannot be replaced.
    """
    content = files[device.path]
    text = content.decode("utf-8")
    edited = (_in_line if device.pointer else _in_document)(text, device, state).encode("utf-8")
    after = load_desired({**files, device.path: edited}).state
    if after is None or after.devices.get(device.id) != replace(device, state=state):
        raise InputError(f"the state cannot be replaced in {device.path}; write `state: {state}` by hand")
    return Entry(path=device.path, content=edited)


def _in_document(text: str, device: Device, state: State) -> str:
    document = read_document(device.path, text.encode("utf-8"), "Device")
    if not isinstance(document, Document):
        raise FindingsError(document)
    lines = text.splitlines(keepends=True)
    if "/state" in document.marks:
        line, column = document.marks["/state"]
        written, start = lines[line - 1], column - 1
        lines[line - 1] = written[:start] + re.sub(device.state, state, written[start:], count=1)
    else:  # as it stands for `active`: beside the id
        line, column = document.marks["/id#"]
        lines.insert(line, f"{' ' * (column - 1)}state: {state}\n")
    return "".join(lines)


def _in_line(text: str, device: Device, state: State) -> str:
    """Write one line of JSON Lines anew; its fields keep their order."""
    lines = text.split("\n")
    number = int(device.pointer[1:])
    lines[number] = json.dumps({**json.loads(lines[number]), "state": state}, ensure_ascii=False)
    return "\n".join(lines)
