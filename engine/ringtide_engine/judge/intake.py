"""Intake: which of the reports on a device's branch are believed.

For each file, in order of number; what fails is a finding and changes nothing:
1. the branch belongs to an enrolled device that is not retired;
2. the file is a report, signed by the enrolled key, whose number the file's name says;
3. it is a report of this device, not one of another carried here;
4. its number is above the last accepted one;
5. it names the payload before it, where that one was accepted. A gap in numbers is counted and accepted: counters are
   cumulative, so a lost report loses nothing. A report above the last number that names none before it begins a new
   chain: the device lost its ledger; it is accepted, and said;
6. nothing proves that two devices report with one key. A device makes a report durable before it sends it, so it never
   signs two under one number, none that contradicts the one before, and none below the number of a new chain. Whoever did
   is two: from then on nothing of this key is believed, until a person enrols the device with another one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from ringtide_contract.canonical import decode
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import DeviceId, Digest, parse_device_id, sha256
from ringtide_contract.keys import PublicKey, key_hint
from ringtide_contract.report import MAX_REPORT_BYTES, Report, open_report
from ringtide_engine.judge.collected import ALL_HEARD, DeviceRecord, Fork, write_line
from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import BuiltInRule

BRANCHES = "reports/"
"""Branches of devices in the reports repository."""

MAX_REPORTS = 500
"""Reports taken from a branch at once, the newest; older ones count as a gap."""

MAX_FINDINGS = 20
"""Findings of one branch; who floods a branch shall not flood the log."""

NOTHING_REWRITTEN: Mapping[str, tuple[bytes, ...]] = MappingProxyType({})

_FILE = re.compile(r"reports/(?P<number>[1-9]\d{0,14})\.json", re.ASCII)

REPORT_RULES: Mapping[str, BuiltInRule] = {
    rule.id: rule
    for rule in (
        BuiltInRule(
            id="RT-REPORT-001",
            title="Reports on a branch of no enrolled device.",
            severity="warning",
            fix="Enroll the device, or delete the branch.",
        ),
        BuiltInRule(
            id="RT-REPORT-002",
            title="A file on a device's branch is no report signed by its enrolled key.",
            severity="warning",
            fix="Look at the device; enroll it again where its key has changed.",
        ),
        BuiltInRule(
            id="RT-REPORT-003",
            title="A report number comes a second time, with other content.",
            severity="warning",
            fix="Enroll the device again with a new key if it was reset; otherwise see who may push to its branch.",
        ),
        BuiltInRule(
            id="RT-REPORT-004",
            title="A report does not follow the one before it.",
            severity="warning",
            fix="Look at the device: its agent numbers its reports wrongly.",
        ),
        BuiltInRule(
            id="RT-REPORT-005",
            title="A report lies on the branch of another device.",
            severity="warning",
            fix="Check who may push to that branch.",
        ),
        BuiltInRule(
            id="RT-REPORT-006",
            title="A retired device still reports.",
            severity="warning",
            fix="Take the device out of service, or make it active again.",
        ),
        BuiltInRule(
            id="RT-REPORT-007",
            title="A device began a new chain of reports; they are believed.",
            severity="warning",
            fix="Look whether the device lost its disk; if not, enroll it again with a new key: two devices may share it.",
        ),
        BuiltInRule(
            id="RT-REPORT-008",
            title="Two devices report with one key; neither is believed.",
            severity="warning",
            fix="Find both; wipe the copy, enroll the device again with a new key: docs/when-a-device-misbehaves.md.",
        ),
    )
}
"""What `ingest` finds; warnings, since one bad branch must not stop the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one branch gave."""

    lines: tuple[bytes, ...]
    """Lines for the segment, in order of number."""
    record: DeviceRecord | None
    """Where the device stands now; the record before where nothing was accepted."""
    findings: tuple[Finding, ...]
    """What was refused, and why."""


def device_of(branch: str, state: DesiredState) -> Device | Finding:
    """Return the device that a branch belongs to, or why its reports are not read (check 1)."""
    name = branch.removeprefix(BRANCHES)
    try:
        device = state.devices.get(parse_device_id(name))
    except InputError:
        device = None
    if device is None:
        return _finding("RT-REPORT-001", branch, f"no device {name[:80]!r} is enrolled")
    if device.state == "retired":
        return _finding("RT-REPORT-006", branch, f"the device {device.id} is retired")
    return device


def is_report_path(path: str) -> bool:
    """Tell whether `path` is that of a report."""
    return _FILE.fullmatch(path) is not None


def newest_first(path: str) -> int:
    """Return a sort key: reports by number, newest first."""
    match = _FILE.fullmatch(path)
    return -int(match["number"]) if match else 0


def take(
    device: Device,
    files: Mapping[str, bytes],
    record: DeviceRecord | None,
    state: DesiredState,
    *,
    head: str,
    now: datetime,
    rewritten: Mapping[str, tuple[bytes, ...]] = NOTHING_REWRITTEN,
) -> Intake:
    """Believe what is to be believed of a device's branch.

    Args:
        device: The device that the branch belongs to.
        files: Files that are new on its branch, or changed.
        record: Where the device stood; None where it was never heard of.
        state: The desired state, for the keys.
        head: Commit of the branch.
        now: Time of the ingest.
        rewritten: What files of the branch held before they were replaced there.
    """
    branch = f"{BRANCHES}{device.id}"
    last = record if record is not None and record.key in map(key_hint, device.keys) else None
    if last is not None and last.fork is not None:  # 6
        return Intake(lines=(), record=replace(last, head=head), findings=(_forked(device, branch, last.fork),))
    lines: list[bytes] = []
    findings: list[Finding] = [
        _finding("RT-REPORT-002", f"{branch}:{path}", "not a path of a report, reports/<number>.json")
        for path in sorted(files)
        if not is_report_path(path)
    ]
    for path in sorted(filter(is_report_path, files), key=newest_first, reverse=True):
        number = -newest_first(path)
        place = f"{branch}:{path}"
        versions = (files[path], *rewritten.get(path, ()))
        if _proves_two(versions, device, number, last, state):  # 6
            return _convicted(device, branch, number, last, files[path], head=head, now=now)
        if last is not None and number <= last.number:  # 4
            if number != last.number or _payload(files[path]) != last.payload:
                message = f"report {number} of {device.id} comes again; {last.number} was the last"
                findings.append(_finding("RT-REPORT-003", place, message))
            continue
        opened = _open(files[path], device, number, state, place, last)
        if isinstance(opened, Finding):  # 2, 3
            findings.append(opened)
            continue
        report, payload, hint = opened
        follows = last is not None and number == last.number + 1 and report.previous is not None
        expected = last.payload if last is not None else None
        if follows and report.previous != expected:  # 6
            return _convicted(device, branch, number, last, files[path], head=head, now=now)
        if number == 1 and report.previous is not None:  # 5
            message = f"report {number} of {device.id} does not name report {number - 1} as the one before it"
            findings.append(_finding("RT-REPORT-004", place, message))
            break
        restarted = last is not None and report.previous is None
        if last is not None and restarted:
            message = f"report {number} of {device.id} names no report before it; {last.number} was the last"
            findings.append(_finding("RT-REPORT-007", place, message))
        lost = restarted or number != (1 if last is None else last.number + 1)
        gaps = (last.gaps if last else 0) + lost
        skipped = None if last is None else (last.number, number) if restarted else last.skipped
        account = (last.account if last else ALL_HEARD).after(_gap(report, last), report.folded)
        last = DeviceRecord(
            number=number,
            payload=payload,
            gaps=gaps,
            account=account,
            ingested_at=now,
            key=hint,
            head=head,
            skipped=skipped,
        )
        lines.append(write_line(Envelope.from_dict(decode(files[path], limit=2 * MAX_REPORT_BYTES)), now))
    taken = replace(last, head=head) if lines and last is not None else record
    return Intake(lines=tuple(lines), record=taken, findings=tuple(findings[:MAX_FINDINGS]))


def _gap(report: Report, last: DeviceRecord | None) -> tuple[int, int] | None:
    """Return the numbers between the last accepted report and this one; None where none of them was ever used."""
    first = 1 if last is None else last.number + 1
    return None if report.previous is None or first == report.number else (first, report.number - 1)


def _proves_two(
    versions: tuple[bytes, ...], device: Device, number: int, last: DeviceRecord | None, state: DesiredState
) -> bool:
    """Tell whether reports under one number, this device's every one, cannot all be of one device."""
    if last is None or number > last.number:
        suspicious = len(versions) > 1
    else:
        suspicious = len(versions) > 1 or number == last.number or _is_skipped(number, last)
    if not suspicious:
        return False
    signed = {payload for content in versions if (payload := _signed(content, device, number, state, last)) is not None}
    if last is not None and number == last.number:
        signed.add(last.payload)
    return len(signed) > 1 or (bool(signed) and last is not None and _is_skipped(number, last))


def _is_skipped(number: int, last: DeviceRecord) -> bool:
    return last.skipped is not None and last.skipped[0] < number < last.skipped[1]


def _believed(device: Device, last: DeviceRecord | None) -> tuple[PublicKey, ...]:
    """Return the keys whose reports count: who has changed keys does not change back."""
    changed = last is not None and last.key == key_hint(device.public_key)
    return (device.public_key,) if changed else device.keys


def _signed(
    content: bytes, device: Device, number: int, state: DesiredState, last: DeviceRecord | None
) -> Digest | None:
    for key in _believed(device, last):
        try:
            report, payload = open_report(content, key, fleet=state.fleet.name, device=device.id)
        except TrustError:
            continue
        return sha256(payload) if report.number == number else None
    return None


def _convicted(
    device: Device, branch: str, number: int, last: DeviceRecord | None, content: bytes, *, head: str, now: datetime
) -> Intake:
    fork = Fork(number=number, at=now)
    if last is None:
        payload, key = _payload(content) or sha256(content), key_hint(device.public_key)
        last = DeviceRecord(number=number, payload=payload, gaps=0, ingested_at=now, key=key, head=head)
    record = replace(last, head=head, fork=fork)
    return Intake(lines=(), record=record, findings=(_forked(device, branch, fork),))


def _forked(device: Device, branch: str, fork: Fork) -> Finding:
    message = (
        f"the key of {device.id} has signed two histories, which part at report {fork.number}; neither is believed"
    )
    return _finding("RT-REPORT-008", branch, message)


def _open(
    content: bytes, device: Device, number: int, state: DesiredState, place: str, last: DeviceRecord | None
) -> tuple[Report, Digest, str] | Finding:
    key, *others = _believed(device, last)
    try:
        report, payload = open_report(content, key, fleet=state.fleet.name, device=device.id)
    except TrustError as error:
        if others:
            return _open(content, replace(device, public_key=others[0], previous_key=None), number, state, place, None)
        author = _author(content, state)
        if author is not None and author != device.id:
            return _finding("RT-REPORT-005", place, f"a report of {author} on the branch of {device.id}")
        rule = "RT-REPORT-005" if error.rule == "REPORT-DEVICE" else "RT-REPORT-002"
        return _finding(rule, place, str(error))
    if report.number != number:
        return _finding("RT-REPORT-002", place, f"the report has the number {report.number}, its file {number}")
    return report, sha256(payload), key_hint(key)


def _author(content: bytes, state: DesiredState) -> DeviceId | None:
    """Return the enrolled device that signed `content` for itself, or None where there is none."""
    try:
        claimed = Report.decode(Envelope.from_dict(decode(content, limit=2 * MAX_REPORT_BYTES)).payload).device
        device = state.devices.get(claimed)
        if device is None:
            return None
        open_report(content, device.public_key, fleet=state.fleet.name, device=device.id)
    except (InputError, TrustError):
        return None
    return device.id


def _payload(content: bytes) -> Digest | None:
    try:
        return sha256(Envelope.from_dict(decode(content, limit=2 * MAX_REPORT_BYTES)).payload)
    except InputError:
        return None


def _finding(rule: str, path: str, message: str) -> Finding:
    known = REPORT_RULES[rule]
    return Finding(rule=rule, severity=known.severity, place=Place(path=path), message=message, fix=known.fix)
