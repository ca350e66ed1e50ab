"""What a collector keeps: segments of accepted reports, and where every device stands.

A segment is JSON Lines, each `{"envelope", "ingestedAt"}`: the sealed report as the device signed it, so that whoever
reads it can check the signature again. Files are filled one after the other, none above `MAX_SEGMENT_BYTES`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.envelope import REPORT, Envelope, open_envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import (
    DeviceId,
    Digest,
    format_instant,
    parse_device_id,
    parse_digest,
    parse_instant,
)
from ringtide_contract.keys import PublicKey
from ringtide_contract.report import MAX_REPORT_BYTES, Report
from ringtide_engine.judge.accounting import Account
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Observation

PREFIX = "collected/"
"""Branches of collectors in the reports repository."""

STATE_PATH = "state.json"

MAX_SEGMENT_BYTES = 1_000_000
"""Git stores each version of a file whole before it packs; small files keep a commit per interval cheap."""

ALL_HEARD = Account()

MAX_STATE_BYTES = 64 * 1024 * 1024

_SEGMENT = re.compile(r"segments/(?P<day>\d{4}-\d\d-\d\d)/(?P<number>\d{4,})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Proof that two devices report with one key: nothing of that key is believed any more."""

    number: int
    """Number under which the key has signed two reports, or one that contradicts the report before it."""
    at: datetime
    """When it was seen."""

    @classmethod
    def from_dict(cls, value: object) -> "Fork":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "fork")
        return cls(number=fields.integer(data, "number", least=1), at=parse_instant(fields.text(data, "at")))

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {"number": self.number, "at": format_instant(self.at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """Where the reports of one device stand."""

    number: int
    """Number of the last accepted report."""
    payload: Digest
    """Digest of its payload, which the next one names as `previous`."""
    gaps: int
    """How often numbers were skipped."""
    account: Account = ALL_HEARD
    """The numbers that were never accepted."""
    ingested_at: datetime
    """When it was accepted."""
    key: str
    """Hint of the key that signed it; a device enrolled with another key starts a new chain."""
    head: str
    """Commit of the device's branch that was read."""
    skipped: tuple[int, int] | None = None
    """Numbers on either side of the newest leap, where the device lost its ledger: none between them was ever used."""
    fork: Fork | None = None
    """Why nothing of this key is believed any more; None where all is well."""

    @classmethod
    def from_dict(cls, value: object) -> "DeviceRecord":
        """Read a record from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "device record")
        return cls(
            number=fields.integer(data, "number", least=1),
            payload=parse_digest(fields.text(data, "payload")),
            gaps=fields.integer(data, "gaps"),
            account=_account(data),
            ingested_at=parse_instant(fields.text(data, "ingestedAt")),
            key=fields.text(data, "key"),
            head=fields.text(data, "head"),
            skipped=_skipped(data),
            fork=None if data.get("fork") is None else Fork.from_dict(data["fork"]),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the record as `from_dict` reads it."""
        skipped: dict[str, Json] = {} if self.skipped is None else {"skipped": list(self.skipped)}
        fork: dict[str, Json] = {} if self.fork is None else {"fork": self.fork.to_dict()}
        return {
            "number": self.number,
            "payload": self.payload,
            "gaps": self.gaps,
            "ingestedAt": format_instant(self.ingested_at),
            "key": self.key,
            "head": self.head,
            **_account_members(self.account),
            **skipped,
            **fork,
        }


def _account(data: Mapping[str, object]) -> Account:
    return Account(
        folded=fields.optional_integer(data, "folded") or 0,
        missing=fields.optional_integer(data, "missing") or 0,
        unexplained=fields.items(data, "unexplained", lambda ends: _range(ends, "unexplained")),
    )


def _account_members(account: Account) -> dict[str, Json]:
    """Write an account; a device of which every number was heard needs no word of it."""
    members: dict[str, Json] = {"folded": account.folded, "missing": account.missing}
    members["unexplained"] = [list(each) for each in account.unexplained]
    return {name: value for name, value in members.items() if value}


def _skipped(data: Mapping[str, object]) -> tuple[int, int] | None:
    ends = data.get("skipped")
    if ends is None:
        return None
    return _range(ends, "skipped")


def _range(ends: object, name: str) -> tuple[int, int]:
    if not isinstance(ends, list) or len(ends) != 2 or not all(type(end) is int for end in ends):
        raise InputError(f"{name!r} is two numbers")
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorState:
    """`state.json` of a collector's branch."""

    through: datetime
    """Time of the last ingest that was recorded."""
    segment: str | None
    """Segment that is being filled; None before the first report."""
    devices: Mapping[DeviceId, DeviceRecord]
    """Devices heard of."""

    @classmethod
    def decode(cls, content: bytes) -> "CollectorState":
        """Read the state from its bytes.

        Raises:
            InputError: Not a collector's state.
        """
        data = fields.document(decode(content, limit=MAX_STATE_BYTES), "CollectorState")
        devices = fields.mapping(data, "devices", DeviceRecord.from_dict)
        return cls(
            through=parse_instant(fields.text(data, "through")),
            segment=fields.optional_text(data, "segment"),
            devices={parse_device_id(device): record for device, record in devices.items()},
        )

    def encode(self) -> bytes:
        """Write the state in canonical bytes."""
        devices: dict[str, Json] = {device: record.to_dict() for device, record in self.devices.items()}
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "CollectorState",
                "through": format_instant(self.through),
                "segment": self.segment,
                "devices": devices,
            }
        )


def write_line(envelope: Envelope, ingested_at: datetime) -> bytes:
    """Write one line of a segment."""
    return encode({"envelope": envelope.to_dict(), "ingestedAt": format_instant(ingested_at)}) + b"\n"


def fill_segments(last: str | None, content: bytes, lines: list[bytes], now: datetime) -> Mapping[str, bytes]:
    """Return the segments that change when `lines` are appended.

    Args:
        last: Segment that is being filled; None before the first report.
        content: Its content.
        lines: What to append, in order.
        now: The present; a new day starts a new folder.
    """
    day = now.date().isoformat()
    match = _SEGMENT.fullmatch(last) if last else None
    number = int(match["number"]) if match and match["day"] == day else 0
    path, current = (last, content) if last and number else (None, b"")
    filled: dict[str, bytes] = {}
    for line in lines:
        if path is None or len(current) + len(line) > MAX_SEGMENT_BYTES:
            number += 1
            path, current = f"segments/{day}/{number:04}.jsonl", b""
        current += line
        filled[path] = current
    return filled


def segment_days(since: datetime, through: datetime) -> Iterator[str]:
    """Yield the folders that hold reports ingested from `since` to `through`."""
    day: date = since.date()
    while day <= through.date():
        yield f"segments/{day.isoformat()}/"
        day += timedelta(days=1)


def read_segment(path: str, content: bytes, state: DesiredState) -> Iterator[Observation]:
    """Yield the reports of a segment that their devices' enrolled keys confirm.

    Reports of devices that have left, or have been enrolled with another key since, are passed over.

    Raises:
        InputError: Not a segment.
    """
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            data = fields.members(decode(line, limit=4 * MAX_REPORT_BYTES), "line")
            at = parse_instant(fields.text(data, "ingestedAt"))
            envelope = Envelope.from_dict(data.get("envelope"))
            report = Report.decode(envelope.payload)
        except InputError as error:
            raise InputError(f"{path}:{number} is not a collected report: {error}") from error
        device = state.devices.get(report.device)
        if device is None or device.state == "retired" or report.fleet != state.fleet.name:
            continue
        if any(_is_signed(envelope, key) for key in device.keys):
            yield Observation(ingested_at=at, report=report)


def _is_signed(envelope: Envelope, key: PublicKey) -> bool:
    try:
        open_envelope(envelope, key, REPORT)
    except TrustError:
        return False
    return True
