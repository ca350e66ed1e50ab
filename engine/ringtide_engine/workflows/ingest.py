"""Ingest: reports on the branches of devices become segments on the branch of a collector."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId
from ringtide_contract.report import MAX_REPORT_BYTES
from ringtide_engine.judge.collected import DeviceRecord
from ringtide_engine.judge.intake import (
    BRANCHES,
    MAX_REPORTS,
    REPORT_RULES,
    device_of,
    is_report_path,
    newest_first,
    take,
)
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.ports import Repository
from ringtide_engine.workflows.recording import Gathered, IngestResult, record

MAX_REWRITES = 100
"""Commits that replace a report; one is enough for a proof, and a device makes none."""

FOLDER = "reports"
"""Where reports lie on a branch."""

MAX_FILE_BYTES = 2 * MAX_REPORT_BYTES
"""A sealed report is no larger."""

_UNREAD = bytes(MAX_FILE_BYTES + 1)
"""Stands for a file that is larger, or none: it is a finding, and nobody reads it."""


def ingest(
    fleet: Repository,
    reports: Repository,
    *,
    collector: str,
    now: datetime,
    branch: str = "main",
    dry_run: bool = False,
) -> IngestResult:
    """Collect new reports; doing it again, or twice at once, changes nothing more.

    Args:
        fleet: The fleet repository, for the enrolled keys.
        reports: The reports repository.
        collector: Name of the collector; its branch is `collected/<collector>`.
        now: Time of the ingest, by which the judge will go.
        branch: Branch of the desired state.
        dry_run: Say what would be accepted, and commit nothing.

    Raises:
        InputError: The fleet repository cannot be read, the collector's state is damaged, or the clock is far behind
            the last ingest.
        TransientError: A repository does not answer, or others were faster too often.
    """
    gather = partial(_gather, reports)
    return record(fleet, reports, gather, collector=collector, now=now, branch=branch, dry_run=dry_run)


def _gather(
    reports: Repository, state: DesiredState, before: Mapping[DeviceId, DeviceRecord], now: datetime
) -> Gathered:
    lines: list[bytes] = []
    findings: list[Finding] = []
    devices = dict(before)
    for branch, head in sorted(reports.branches(BRANCHES).items()):
        device = device_of(branch, state)
        if isinstance(device, Finding):
            findings.append(device)
            continue
        known = devices.get(device.id)
        is_new = known is None or known.head != head
        if not is_new and (known is None or known.fork is None):
            continue
        try:
            files = _new_files(reports, known, head) if is_new else {}
            rewritten = _rewritten(reports, known, head) if is_new else {}
        except InputError as error:
            rule = REPORT_RULES["RT-REPORT-002"]
            place = Place(path=branch)
            findings.append(
                Finding(rule=rule.id, severity=rule.severity, place=place, message=str(error), fix=rule.fix)
            )
            continue
        intake = take(device, files, known, state, head=head, now=now, rewritten=rewritten)
        lines += intake.lines
        findings += intake.findings
        if intake.record is not None:
            devices[device.id] = intake.record
    return Gathered(lines=tuple(lines), devices=devices, findings=tuple(findings))


def _rewritten(reports: Repository, record: DeviceRecord | None, head: str) -> Mapping[str, tuple[bytes, ...]]:
    """Read what reports said that were replaced on the branch since it was read last."""
    try:
        found = reports.rewritten(record.head if record else None, head, FOLDER, most=MAX_REWRITES)
    except InputError:
        found = reports.rewritten(None, head, FOLDER, most=MAX_REWRITES)  # the old commit is gone
    contents = reports.contents((each for objects in found.values() for each in objects), most_bytes=MAX_FILE_BYTES)
    return {path: tuple(contents[each] for each in objects if each in contents) for path, objects in found.items()}


def _new_files(reports: Repository, record: DeviceRecord | None, head: str) -> Mapping[str, bytes]:
    """Read the newest files that were added or changed since the branch was read last."""
    before: Mapping[str, str] | None = None
    if record is not None:
        try:
            before = _listed(reports, record.head)
        except (InputError, TransientError):
            before = None  # the branch was rewritten and the old commit is gone
    now = _listed(reports, head)
    if before is None:
        least = record.number if record else 0
        fresh = {
            path: each for path, each in now.items() if path.startswith(f"{FOLDER}/") and -newest_first(path) >= least
        }
    else:
        fresh = {path: each for path, each in now.items() if before.get(path) != each}
    kept = sorted(filter(is_report_path, fresh), key=newest_first)[:MAX_REPORTS]
    others = sorted(path for path in fresh if not is_report_path(path))[:1]
    contents = reports.contents((fresh[path] for path in kept), most_bytes=MAX_FILE_BYTES)
    return {path: contents.get(fresh[path], _UNREAD) for path in kept} | dict.fromkeys(others, b"")


def _listed(reports: Repository, commit: str) -> Mapping[str, str]:
    found = reports.shallow(commit, "", FOLDER)
    return {path: each for path, each in found.items() if path != FOLDER}
