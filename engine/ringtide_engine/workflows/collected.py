"""What collectors have gathered in the reports repository, read for the judge and for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import key_hint
from ringtide_engine.judge.collected import (
    PREFIX,
    STATE_PATH,
    CollectorState,
    DeviceRecord,
    Fork,
    read_segment,
    segment_days,
)
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Observation, Source
from ringtide_engine.ports import Repository

MAX_HISTORY = timedelta(days=400)
"""Older reports are not read: no rollout should take so long, and its devices have reported since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Accepted reports and where they come from."""

    sources: tuple[Source, ...]
    """Collectors, by branch."""
    observations: tuple[Observation, ...]
    """Their reports."""
    records: Mapping[DeviceId, DeviceRecord]
    """Newest record of each device."""
    forked: Mapping[DeviceId, Fork]
    """Devices of which two report with the key that is enrolled; none of their reports is among the observations."""


def collectors(reports: Repository) -> tuple[Source, ...]:
    """Return the collectors and how far each has come."""
    heads = reports.branches(PREFIX)
    return tuple(
        Source(branch=branch, commit=commit, through=_state(reports, branch, commit).through)
        for branch, commit in sorted(heads.items())
    )


def read_collected(
    reports: Repository, sources: tuple[Source, ...], state: DesiredState, since: datetime | None
) -> Collected:
    """Read what was collected.

    Args:
        reports: The reports repository.
        sources: Which commits to read.
        state: The desired state, whose keys the reports are checked against once more.
        since: Reports ingested on this day or later; None for none at all.

    Raises:
        InputError: A collector's branch is damaged.
    """
    observations: list[Observation] = []
    records: dict[DeviceId, DeviceRecord] = {}
    forked: dict[DeviceId, Fork] = {}
    for source in sources:
        kept = _state(reports, source.branch, source.commit)
        for device, record in kept.devices.items():
            if device not in records or record.ingested_at > records[device].ingested_at:
                records[device] = record
            entry = state.devices.get(device)
            if record.fork is not None and entry is not None and record.key in map(key_hint, entry.keys):
                forked[device] = record.fork
        if since is None:
            continue
        for prefix in segment_days(max(since, source.through - MAX_HISTORY), source.through):
            for path, content in sorted(reports.files(source.commit, prefix).items()):
                observations += read_segment(f"{source.branch}:{path}", content, state)
    believed = tuple(item for item in observations if item.report.device not in forked)
    return Collected(sources=sources, observations=believed, records=records, forked=forked)


def _state(reports: Repository, branch: str, commit: str) -> CollectorState:
    content = reports.file(commit, STATE_PATH)
    if content is None:
        raise InputError(f"{branch} has no {STATE_PATH}; it is not a collector's branch")
    return CollectorState.decode(content)
