"""Device inventories in JSON Lines: the same fields and the same rules as a YAML file a device."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ringtide_contract.canonical import decode
from ringtide_contract.errors import InputError
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.documents import Parsed
from ringtide_engine.load.inventory import device
from ringtide_engine.load.schemas import fits, mistakes
from ringtide_engine.model.desired import Device
from ringtide_engine.model.finding import Document, Finding, Place
from ringtide_engine.model.rules import finding

MAX_FILE_BYTES = 64 * 1024 * 1024
"""One shard; a larger inventory goes into several."""

MAX_LINE_BYTES = 16 * 1024
"""One device."""

MAX_FINDINGS = 100
"""An inventory with more mistakes was made by a broken program; the first ones show it."""


_HEAD = MappingProxyType({"apiVersion": "ringtide/v1", "kind": "Device"})
"""Fields that a line need not write."""


def device_lines(
    path: str, content: bytes, known: Mapping[bytes, Device] = MappingProxyType({})
) -> tuple[list[Device], list[Finding]]:
    """Read one device a line; empty lines are skipped.

    Args:
        path: Path for findings.
        content: The file.
        known: Lines that have been read before, of whatever file, to what they say.

    Returns:
        The devices that could be read, and what is wrong with the others.
    """
    devices: list[Device] = []
    findings: list[Finding] = []
    if len(content) > MAX_FILE_BYTES:
        said = f"{len(content)} bytes where at most {MAX_FILE_BYTES} are read"
        return [], [finding("RT-YAML-002", Place(path=path), said, "Split the inventory into several files.")]
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(findings) >= MAX_FINDINGS:
            break
        read = _moved(known[line], path, number) if line in known else _plainly(path, number, line)
        if read is not None:
            devices.append(read)
            continue
        try:
            data = decode(line, limit=MAX_LINE_BYTES)
        except InputError as error:
            findings.append(finding("RT-DEVICE-006", Place(path=path, line=number), str(error)))
            continue
        mistaken = _mistakes(path, number, data)
        findings.extend(mistaken)
        if mistaken:
            continue
        try:
            devices.append(device(path, Cursor(data), pointer=f"/{number - 1}"))
        except MisfitError as error:
            rule = "RT-DEVICE-004" if error.pointer in ("/publicKey", "/previousKey") else "RT-SCHEMA-001"
            findings.append(finding(rule, Place(path=path, line=number), f"{error.pointer[1:]}: {error}"))
    return devices, findings


def known_lines(content: bytes, devices: list[Device]) -> Mapping[bytes, Device]:
    """Return the lines of an inventory with the devices that `device_lines` read from them."""
    lines = content.split(b"\n")
    return {lines[int(each.pointer[1:])]: each for each in devices}


def _moved(device: Device, path: str, number: int) -> Device:
    pointer = f"/{number - 1}"
    same = device.path == path and device.pointer == pointer
    return device if same else replace(device, path=path, pointer=pointer)


def _plainly(path: str, number: int, line: bytes) -> Device | None:
    """Read a line that is right in every respect, as nearly all are; None sends it the slow way, which says why not.

    What `decode` refuses beyond this fits no field of a device: the schema has no numbers, and every text is held to
    its pattern, or is a key in ASCII.
    """
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        data = json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
        if not isinstance(data, dict) or not fits("Device", {**_HEAD, **data}):
            return None
        return device(path, Cursor(data), pointer=f"/{number - 1}")
    except (ValueError, RecursionError, MisfitError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _mistakes(path: str, number: int, data: object) -> tuple[Finding, ...]:
    if not isinstance(data, dict):
        return (finding("RT-DEVICE-006", Place(path=path, line=number), "the line is not a JSON object"),)
    whole = {**_HEAD, **data}
    marks = {"": (number, 1)}
    document = Document(path=path, kind="Device", data=whole, marks=marks)
    return mistakes(document, Parsed(data=whole, marks=marks, unquoted={}))
