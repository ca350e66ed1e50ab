"""Ingest: reports on the branches of devices become segments on the branch of a collector."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId, format_instant, parse_name
from ringtide_engine.judge.collected import (
    PREFIX,
    STATE_PATH,
    CollectorState,
    DeviceRecord,
    fill_segments,
)
from ringtide_engine.judge.intake import (
    BRANCHES,
    MAX_REPORTS,
    REPORT_RULES,
    device_of,
    is_report_path,
    newest_first,
    take,
)
from ringtide_engine.judge.verdict import CLOCK_SLACK
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.ports import ConflictError, Repository
from ringtide_engine.workflows.cases import read_state

ATTEMPTS = 5
"""Another ingest may move the branch first; after so many times something else is wrong."""

MAX_REWRITES = 100
"""Commits that replace a report; one is enough for a proof, and a device makes none."""

_SINGLE_READS = 16
"""Up to so many files are read one by one; for more the whole folder is faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What an ingest did."""

    commit: str | None
    """The commit that it made; None where there was nothing to say."""
    accepted: int
    """Reports accepted."""
    findings: tuple[Finding, ...]
    """What was refused."""


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
    own = PREFIX + parse_name(collector)
    for _ in range(ATTEMPTS):
        head = fleet.head(branch)
        if head is None:
            raise InputError(f"the fleet repository has no branch {branch}")
        state = read_state(fleet, head)
        parent = reports.head(own)
        before = _collector_state(reports, parent)
        at = now.replace(microsecond=0)
        if before is not None:
            _check_clock(own, before.through, at)
            at = max(at, before.through)  # never backwards, so that order by ingest is order by number
        result, changes = _collect(state, reports, before, parent, at)
        if not changes or dry_run:
            return result
        try:
            message = f"Collect {result.accepted} report{'s' * (result.accepted != 1)}\n"
            commit = reports.commit(own, parent=parent, changes=changes, message=message, at=now)
        except ConflictError:
            continue
        return IngestResult(commit=commit, accepted=result.accepted, findings=result.findings)
    raise TransientError(f"the branch {own} moved {ATTEMPTS} times while reports were collected; try again")


def _check_clock(branch: str, through: datetime, now: datetime) -> None:
    """Refuse to go on from a future: every later report would be filed under it, and silence never be seen."""
    if through > now + CLOCK_SLACK:
        raise InputError(
            f"the branch {branch} was collected at {format_instant(through)}, but this clock says {format_instant(now)}: "
            f"correct the clock; where the earlier one was wrong, delete the branch {branch} and ingest again"
        )


def _collector_state(reports: Repository, commit: str | None) -> CollectorState | None:
    if commit is None:
        return None
    content = reports.file(commit, STATE_PATH)
    if content is None:
        raise InputError(f"the collector's commit {commit} has no {STATE_PATH}")
    return CollectorState.decode(content)


def _collect(
    state: DesiredState, reports: Repository, before: CollectorState | None, parent: str | None, now: datetime
) -> tuple[IngestResult, Mapping[str, bytes | None]]:
    """Return what is new, and the files that record it: none where there is nothing to say."""
    lines: list[bytes] = []
    findings: list[Finding] = []
    convicted = False
    devices: dict[DeviceId, DeviceRecord] = dict(before.devices) if before else {}
    for branch, head in sorted(reports.branches(BRANCHES).items()):
        device = device_of(branch, state)
        if isinstance(device, Finding):
            findings.append(device)
            continue
        record = devices.get(device.id)
        is_new = record is None or record.head != head
        if not is_new and (record is None or record.fork is None):
            continue
        try:
            files = _new_files(reports, record, head) if is_new else {}
            rewritten = _rewritten(reports, record, head) if is_new else {}
        except InputError as error:
            rule = REPORT_RULES["RT-REPORT-002"]
            place = Place(path=branch)
            findings.append(
                Finding(rule=rule.id, severity=rule.severity, place=place, message=str(error), fix=rule.fix)
            )
            continue
        intake = take(device, files, record, state, head=head, now=now, rewritten=rewritten)
        lines += intake.lines
        findings += intake.findings
        if intake.record is not None:
            convicted |= intake.record.fork != (record.fork if record else None)
            devices[device.id] = intake.record
    result = IngestResult(commit=None, accepted=len(lines), findings=tuple(findings))
    if before is not None and not lines and not convicted and now - before.through < state.fleet.ingest_interval:
        return result, {}
    last = before.segment if before else None
    content = (reports.file(parent, last) if parent and last else None) or b""
    segments = fill_segments(last, content, lines, now)
    after = CollectorState(
        through=now,
        segment=max(segments) if segments else last,
        devices=devices,
    )
    return result, {**segments, STATE_PATH: after.encode()}


def _rewritten(reports: Repository, record: DeviceRecord | None, head: str) -> Mapping[str, tuple[bytes, ...]]:
    """Read what reports said that were replaced on the branch since it was read last."""
    try:
        return reports.rewritten(record.head if record else None, head, "reports/", most=MAX_REWRITES)
    except InputError:
        return reports.rewritten(None, head, "reports/", most=MAX_REWRITES)  # the old commit is gone


def _new_files(reports: Repository, record: DeviceRecord | None, head: str) -> Mapping[str, bytes]:
    """Read the newest files that were added or changed since the branch was read last."""
    paths: list[str] | None = None
    if record is not None:
        try:
            paths = list(reports.changed_paths(record.head, head))
        except (InputError, TransientError):
            paths = None  # the branch was rewritten and the old commit is gone
    everything = reports.files(head, "reports/") if paths is None or len(paths) > _SINGLE_READS else None
    if everything is None:
        read = {path: content for path in paths or () if (content := reports.file(head, path)) is not None}
    elif paths is None:
        least = record.number if record else 0
        read = {path: content for path, content in everything.items() if -newest_first(path) >= least}
    else:
        changed = set(paths)
        read = {path: content for path, content in everything.items() if path in changed}
    kept = sorted(filter(is_report_path, read), key=newest_first)[:MAX_REPORTS]
    others = sorted(path for path in read if not is_report_path(path))[:1]
    return {path: read[path] for path in [*kept, *others]}
