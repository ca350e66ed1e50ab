"""Recording: accepted reports become segments and a state, in one commit on the branch of a collector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId, format_instant, parse_name
from ringtide_engine.judge.collected import PREFIX, STATE_PATH, CollectorState, DeviceRecord, fill_segments
from ringtide_engine.judge.verdict import CLOCK_SLACK
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.ports import ConflictError, Repository
from ringtide_engine.workflows.cases import read_state

ATTEMPTS = 5
"""Another collector may move the branch first; after so many times something else is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a transport gave, and what of it is believed."""

    lines: tuple[bytes, ...]
    """Lines for the segment, in order."""
    devices: Mapping[DeviceId, DeviceRecord]
    """Where every device stands now."""
    findings: tuple[Finding, ...]
    """What was refused."""
    notes: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Files written beside the record where a commit is made anyway."""


Gather = Callable[[DesiredState, Mapping[DeviceId, DeviceRecord], datetime], Gathered]
"""Reads a transport: the desired state, where every device stood, and the time of the ingest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What an ingest did."""

    commit: str | None
    """The commit that it made; None where there was nothing to say."""
    accepted: int
    """Reports accepted."""
    findings: tuple[Finding, ...]
    """What was refused."""
    devices: Mapping[DeviceId, DeviceRecord]
    """Where every device stands now."""


def record(
    fleet: Repository,
    reports: Repository,
    gather: Gather,
    *,
    collector: str,
    now: datetime,
    branch: str = "main",
    dry_run: bool = False,
    read: Callable[[Repository, str], DesiredState] = read_state,
) -> IngestResult:
    """Record what a transport gives; doing it again, or twice at once, changes nothing more.

    Args:
        fleet: The fleet repository, for the enrolled keys.
        reports: The reports repository.
        gather: The transport.
        collector: Name of the collector; its branch is `collected/<collector>`.
        now: Time of the ingest, by which the judge will go.
        branch: Branch of the desired state.
        dry_run: Say what would be accepted, and commit nothing.
        read: Reads the desired state of a commit.

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
        state = read(fleet, head)
        parent = reports.head(own)
        before = _collector_state(reports, parent)
        at = now.replace(microsecond=0)
        if before is not None:
            _check_clock(own, before.through, at)
            at = max(at, before.through)  # never backwards, so that order by ingest is order by number
        gathered = gather(state, before.devices if before else {}, at)
        changes = _changes(state, reports, before, parent, gathered, at)
        accepted, findings = len(gathered.lines), gathered.findings
        if not changes or dry_run:
            return IngestResult(commit=None, accepted=accepted, findings=findings, devices=gathered.devices)
        try:
            message = f"Collect {accepted} report{'s' * (accepted != 1)}\n"
            commit = reports.commit(own, parent=parent, changes=changes, message=message, at=now)
        except ConflictError:
            continue
        return IngestResult(commit=commit, accepted=accepted, findings=findings, devices=gathered.devices)
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


def _changes(
    state: DesiredState,
    reports: Repository,
    before: CollectorState | None,
    parent: str | None,
    gathered: Gathered,
    now: datetime,
) -> Mapping[str, bytes | None]:
    """Return the files that record what is new: none where there is nothing to say."""
    is_early = before is not None and now - before.through < state.fleet.ingest_interval
    if is_early and not gathered.lines and not _convicts(before, gathered):
        return {}
    last = before.segment if before else None
    content = (reports.file(parent, last) if parent and last else None) or b""
    segments = fill_segments(last, content, list(gathered.lines), now)
    after = CollectorState(through=now, segment=max(segments) if segments else last, devices=gathered.devices)
    return {**segments, **gathered.notes, STATE_PATH: after.encode()}


def _convicts(before: CollectorState | None, gathered: Gathered) -> bool:
    """Tell whether two devices were newly found to report with one key."""
    known = before.devices if before else {}
    return any(
        stands is not known.get(device) and stands.fork != (known[device].fork if device in known else None)
        for device, stands in gathered.devices.items()
    )
