"""Entries of devices: a new one from the document that its agent printed, and the state of one that is there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_device_id
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
        raise InputError(f"{path} is there already; a device gets another key under another id")
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
