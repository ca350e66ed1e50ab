"""Collect: reports that arrive through a broker become segments, and each device hears how far its own are committed.

A letter is let go only after the commit that holds its report, so that whoever ends this process at any point loses none. What
arrives twice is dropped by its number. Devices forget a report only when they hear of the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from ringtide_contract.broker import Presence, Taken
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import key_hint
from ringtide_engine.judge.collected import DeviceRecord
from ringtide_engine.judge.intake import BRANCHES, device_of, take
from ringtide_engine.judge.presence import PRESENCE_PATH, encode_presences
from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.ports import Clock, Inbox, Letter, Repository
from ringtide_engine.workflows.cases import read_state
from ringtide_engine.workflows.recording import Gathered, IngestResult, record

PREFIX = "mqtt:"
"""Before the place of a finding: the report came through a broker, and lies on no branch."""


class StateReader:
    """Reads the desired state again only when its commit has changed: a collector looks at it all day."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: tuple[str, DesiredState] | None = None

    def __call__(self, fleet: Repository, commit: str) -> DesiredState:
        """Return the desired state of a commit.

        Raises:
            InputError: It cannot be read.
        """
        if self._known is None or self._known[0] != commit:
            self._known = commit, read_state(fleet, commit)
        return self._known[1]


def collect(
    fleet: Repository,
    reports: Repository,
    inbox: Inbox,
    *,
    collector: str,
    clock: Clock,
    wait_s: float,
    branch: str = "main",
    read: Callable[[Repository, str], DesiredState] = read_state,
) -> IngestResult | None:
    """Take in one batch.

    Args:
        fleet: The fleet repository, for the enrolled keys.
        reports: The reports repository.
        inbox: Where reports arrive.
        collector: Name of the collector; its branch is `collected/<collector>`.
        clock: The present, read when the batch is complete: the judge goes by it.
        wait_s: How long reports gather before they are committed together.
        branch: Branch of the desired state.
        read: Reads the desired state of a commit.

    Returns:
        What was done; None where nothing arrived and nothing could.

    Raises:
        InputError: As `record`.
        TransientError: As `record`; nothing is let go.
    """
    letters = inbox.letters(wait_s)
    if not letters and inbox.trouble:
        return None  # to say that all was heard up to now would be a lie
    gather = partial(_gather, letters, inbox.presences())
    result = record(fleet, reports, gather, collector=collector, now=clock.now(), branch=branch, read=read)
    inbox.done(letters)
    for device in sorted({letter.device for letter in letters}):
        stands = result.devices.get(device)
        if stands is not None:
            inbox.tell(device, Taken(number=stands.number, payload=stands.payload))
    return result


def _gather(
    letters: Sequence[Letter],
    presences: Mapping[DeviceId, Presence],
    state: DesiredState,
    before: Mapping[DeviceId, DeviceRecord],
    now: datetime,
) -> Gathered:
    by_device: dict[DeviceId, dict[int, dict[bytes, None]]] = {}
    for letter in letters:
        by_device.setdefault(letter.device, {}).setdefault(letter.number, {})[letter.content] = None
    lines: list[bytes] = []
    findings: list[Finding] = []
    devices = dict(before)
    for name, contents in sorted(by_device.items()):
        device = device_of(f"{BRANCHES}{name}", state)
        if isinstance(device, Finding):
            findings.append(device)
            continue
        known = devices.get(name)
        versions = {
            f"reports/{number}.json": tuple(each)
            for number, each in contents.items()
            if not _is_old(known, device, number)
        }
        files = {path: each[0] for path, each in versions.items()}
        rewritten = {path: each[1:] for path, each in versions.items() if len(each) > 1}
        head = known.head if known else ""
        intake = take(device, files, known, state, head=head, now=now, rewritten=rewritten)
        lines += intake.lines
        findings += intake.findings
        if intake.record is not None:
            devices[name] = intake.record
    return Gathered(
        lines=tuple(lines),
        devices=devices,
        findings=tuple(_placed(finding) for finding in findings),
        notes={PRESENCE_PATH: encode_presences(presences, state)},
    )


def _is_old(known: DeviceRecord | None, device: Device, number: int) -> bool:
    """Tell whether a report is one that was taken long ago: what is sent twice is no news, and no replay either."""
    if known is None or known.key not in map(key_hint, device.keys) or number >= known.number:
        return False
    return known.skipped is None or not known.skipped[0] < number < known.skipped[1]


def _placed(finding: Finding) -> Finding:
    return Finding(
        rule=finding.rule,
        severity=finding.severity,
        place=Place(path=PREFIX + finding.place.path),
        message=finding.message,
        fix=finding.fix,
    )
