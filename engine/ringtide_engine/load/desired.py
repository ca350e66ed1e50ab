"""From the files of a fleet repository to the desired state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ringtide_contract.ids import DeviceId
from ringtide_engine.load import intent, inventory, judged, releases, rings
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.device_lines import device_lines, known_lines
from ringtide_engine.load.documents import parse_yaml
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.load.paths import path_findings
from ringtide_engine.load.schemas import mistakes
from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Document, Finding, Place
from ringtide_engine.model.rules import finding


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """What one file says by itself."""

    content: bytes
    """The file."""
    findings: tuple[Finding, ...]
    """What is wrong with it."""
    document: Document | None = None
    """The document; None where it cannot be read, or the file is an inventory."""
    value: Any = None
    """The document as a value of the model; None where there is none."""
    devices: list[Device] = field(default_factory=list)
    """Devices of an inventory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What loading gave."""

    state: DesiredState | None
    """The desired state; None where a finding is an error."""
    findings: tuple[Finding, ...]
    """What is wrong, sorted by place."""
    read: Mapping[str, FileRead] = field(default_factory=dict, repr=False)
    """What each file says by itself, by path."""


def load_desired(files: Mapping[str, bytes], before: LoadResult | None = None) -> LoadResult:
    """Read the desired state; whatever the bytes are, the answer is a state or findings.

    Args:
        files: Path from the repository's root, with forward slashes, to content. Files that ringtide does not read are
            passed over.
        before: Another load, such as that of the change whose base is read now: a file or a line of an inventory that
            says the same, byte for byte, is not read again. The answer does not depend on it.
    """
    reading = _Reading(before=before.read if before else {})
    for path in sorted(files):
        where = spot(path)
        if isinstance(where, Finding):
            reading.findings.append(where)
        elif where is not None and where.kind == "lines":
            reading.inventory(path, files[path])
        elif where is not None:
            reading.read(path, files[path], where)
    reading.findings.extend(path_findings(files))
    if "fleet.yaml" not in files:
        reading.findings.append(finding("RT-FILE-003", Place(path="fleet.yaml"), "there is no fleet.yaml"))
    findings = tuple(sorted(reading.findings, key=lambda each: (each.place, each.rule, each.message)))
    failed = any(each.severity == "error" for each in findings)
    return LoadResult(state=None if failed else reading.state(), findings=findings, read=reading.files)


def read_document(path: str, content: bytes, kind: str) -> Document | tuple[Finding, ...]:
    """Parse one file and hold it against the schema of `kind`.

    Returns:
        The document, or why it cannot be read: never empty.
    """
    parsed = parse_yaml(path, content)
    if isinstance(parsed, tuple):
        return parsed
    said = parsed.data.get("kind") if isinstance(parsed.data, dict) else None
    document = Document(path=path, kind=kind, data=parsed.data, marks=MappingProxyType(dict(parsed.marks)))
    if isinstance(said, str) and said != kind:
        message = f"kind is {said[:60]}, but {path} holds a {kind}"
        return (finding("RT-SCHEMA-005", document.place("/kind"), message, f"Write `kind: {kind}`, or move the file."),)
    return mistakes(document, parsed) or document


_SINGLE: Mapping[str, Callable[[Cursor], Any]] = {
    "Fleet": inventory.fleet,
    "Progress": judged.progress,
    "QuarantineEntry": judged.quarantine_entry,
}
_BY_PATH: Mapping[str, Callable[[str, Cursor], Any]] = {
    "HardwareClass": inventory.hardware_class,
    "Device": inventory.device,
    "Cohort": intent.cohort,
    "RingPlan": rings.ring_plan,
    "Release": releases.release,
    "Placement": intent.placement,
    "Rollout": intent.rollout,
    "PolicySet": intent.policy_set,
    "Waiver": intent.waiver,
}
"""Kinds that become values; rules and their suites stay documents."""


def _read(path: str, content: bytes, kind: str) -> FileRead:
    document = read_document(path, content, kind)
    if isinstance(document, tuple):
        return FileRead(content=content, findings=document)
    try:
        value = _value(document)
    except MisfitError as error:
        key = "RT-DEVICE-004" if error.pointer in ("/publicKey", "/previousKey") else "RT-SCHEMA-001"
        misfit = finding(key, document.place(error.pointer), str(error))
        return FileRead(content=content, findings=(misfit,), document=document)
    return FileRead(content=content, findings=(), document=document, value=value)


def _value(document: Document) -> Any:
    cursor = Cursor(document.data)
    if document.kind in _SINGLE:
        return _SINGLE[document.kind](cursor)
    if document.kind in _BY_PATH:
        return _BY_PATH[document.kind](document.path, cursor)
    return document


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What has been read so far."""

    before: Mapping[str, FileRead]
    """What another load read."""
    files: dict[str, FileRead] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Kind to name to value."""
    devices: dict[DeviceId, Device] = field(default_factory=dict)

    def inventory(self, path: str, content: bytes) -> None:
        read = self.before.get(path)
        if read is None or read.content != content:
            known = known_lines(read.content, read.devices) if read else {}
            devices, mistaken = device_lines(path, content, known)
            read = FileRead(content=content, findings=tuple(mistaken), devices=devices)
        self.files[path] = read
        self.findings.extend(read.findings)
        for each in read.devices:
            if self.devices.setdefault(each.id, each) is not each:
                self.stands_twice(each, Place(path=path, line=int(each.pointer[1:]) + 1))

    def read(self, path: str, content: bytes, where: Spot) -> None:
        read = self.before.get(path)
        if read is None or read.content != content:
            read = _read(path, content, where.kind)
        self.files[path] = read
        self.findings.extend(read.findings)
        document, value = read.document, read.value
        if document is None:
            return
        self.documents[path] = document
        if read.findings:
            return
        if isinstance(value, Device):
            if self.devices.setdefault(value.id, value) is not value:
                self.stands_twice(value, document.place("/id"))
            return
        name, pointer = _name_of(document)
        expected = where.name
        if expected is not None and name != expected:
            message = f"the name is {name}, but the file is called {path.rsplit('/', 1)[-1]}"
            said = expected.rsplit("/", 1)[-1] if where.kind == "Release" else expected
            if where.kind == "Release" and name.split("/")[0] != expected.split("/")[0]:
                pointer, said = "/model", expected.split("/")[0]
                message = f"the model is {name.split('/')[0]}, but the folder is called {said}"
            elif where.kind in ("Rule", "RuleSuite"):
                message = f"the rule is {name}, but the folder is called {expected}"
            self.findings.append(finding("RT-REF-001", document.place(pointer), message, f'Write "{said}".'))
        self.values.setdefault(where.kind, {})[name] = value

    def stands_twice(self, device: Device, place: Place) -> None:
        message = f"the device {device.id} stands also in {self.devices[device.id].path}"
        self.findings.append(finding("RT-DEVICE-001", place, message))

    def state(self) -> DesiredState:
        def named(kind: str) -> Mapping[str, Any]:
            return MappingProxyType(self.values.get(kind, {}))

        return DesiredState(
            fleet=self.values["Fleet"][""],
            hardware=named("HardwareClass"),
            devices=MappingProxyType(self.devices),
            cohorts=named("Cohort"),
            ring_plans=named("RingPlan"),
            releases=MappingProxyType({(each.model, each.version): each for each in named("Release").values()}),
            placements=named("Placement"),
            rollouts=named("Rollout"),
            policy_sets=named("PolicySet"),
            waivers=named("Waiver"),
            progress=named("Progress"),
            quarantine=tuple(named("QuarantineEntry").values()),
            documents=MappingProxyType(self.documents),
        )


def _name_of(document: Document) -> tuple[str, str]:
    """Return the name of a document as its path spells it, and the pointer of the field that holds it."""
    data = document.data
    match document.kind:
        case "Fleet":
            return "", "/name"
        case "Release":
            return f"{data['model']}/{data['version']}", "/version"
        case "QuarantineEntry":
            return f"{data['model']}-{data['release']}", "/release"
        case "Progress":
            return str(data["rollout"]), "/rollout"
        case "Rule":
            return str(data["id"]), "/id"
        case "RuleSuite":
            return str(data["rule"]), "/rule"
        case _:
            return str(data["name"]), "/name"
