"""Device inventories in JSON Lines: the same fields and the same rules as a YAML file a device."""

from ringtide_contract.canonical import decode
from ringtide_contract.errors import InputError
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.documents import Parsed
from ringtide_engine.load.inventory import device
from ringtide_engine.load.schemas import mistakes
from ringtide_engine.model.desired import Device
from ringtide_engine.model.finding import Document, Finding, Place
from ringtide_engine.model.rules import finding

MAX_FILE_BYTES = 64 * 1024 * 1024
"""One shard; a larger inventory goes into several."""

MAX_LINE_BYTES = 16 * 1024
"""One device."""

MAX_FINDINGS = 100
"""An inventory with more mistakes was made by a broken program; the first ones show it."""


def device_lines(path: str, content: bytes) -> tuple[list[Device], list[Finding]]:
    """Read one device a line; empty lines are skipped.

    Args:
        path: Path for findings.
        content: The file.

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
            rule = "RT-DEVICE-004" if error.pointer == "/publicKey" else "RT-SCHEMA-001"
            findings.append(finding(rule, Place(path=path, line=number), f"{error.pointer[1:]}: {error}"))
    return devices, findings


def _mistakes(path: str, number: int, data: object) -> tuple[Finding, ...]:
    if not isinstance(data, dict):
        return (finding("RT-DEVICE-006", Place(path=path, line=number), "the line is not a JSON object"),)
    whole = {"apiVersion": "ringtide/v1", "kind": "Device", **data}
    marks = {"": (number, 1)}
    document = Document(path=path, kind="Device", data=whole, marks=marks)
    return mistakes(document, Parsed(data=whole, marks=marks, unquoted={}))
