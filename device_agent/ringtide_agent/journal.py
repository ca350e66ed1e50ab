"""Records of models as journal entries and back: strict, so that a damaged entry is seen and not half believed."""

from collections.abc import Callable, Mapping
from dataclasses import fields as members_of
from types import MappingProxyType
from typing import Any, cast, get_args

from ringtide_agent.events import DeferCause, RefuseCause, Subject
from ringtide_agent.ports import SlotName
from ringtide_agent.state import ModelState, Record, Refused
from ringtide_contract import fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import format_instant, parse_digest, parse_instant
from ringtide_contract.report import Failure

ORDERS_ENTRY = "orders"
"""Journal entry of the orders."""

REPORTS_ENTRY = "reports"
"""Journal entry of the reports' number, chain and outbox."""

MAX_RECORD_BYTES = 64 * 1024
"""Sixteen failures with the longest notes take a tenth of it."""

_FORGOTTEN = frozenset({"entered_s", "retry_at_s", "baseline"})
"""Monotonic seconds and live counters mean nothing after a restart."""

_NULLABLE = frozenset(
    {
        ("Deferred", "subject"),
        ("Deferred", "until"),
        ("Reverting", "to"),
        ("Reverting", "until"),
        ("Reverting", "failure"),
    }
)
"""Members that may be null, by state."""

_STATES: Mapping[str, type[ModelState]] = MappingProxyType({kind.__name__: kind for kind in get_args(ModelState)})


def model_entry(model: str) -> str:
    """Return the name of the journal entry of a model."""
    return f"model-{model}"


def encode_record(record: Record) -> bytes:
    """Write a record."""
    state: dict[str, Json] = {"is": type(record.state).__name__}
    for member in members_of(record.state):
        if member.name not in _FORGOTTEN:
            state[member.name] = _write(getattr(record.state, member.name))
    failures = [failure.to_dict() for failure in record.failures]
    return encode({"state": state, "confirmed": record.confirmed, "earlier": record.earlier, "failures": failures})


def decode_record(content: bytes) -> Record:
    """Read what `encode_record` wrote.

    Raises:
        InputError: Damaged, or written by another version: an unknown state, a missing or unknown member.
    """
    data = fields.members(decode(content, limit=MAX_RECORD_BYTES), "record")
    confirmed, earlier = fields.optional_text(data, "confirmed"), fields.optional_text(data, "earlier")
    return Record(
        state=_state(fields.members(data.get("state"), "state")),
        confirmed=None if confirmed is None else parse_digest(confirmed),
        earlier=None if earlier is None else parse_digest(earlier),
        failures=fields.items(data, "failures", Failure.from_dict),
    )


def _state(data: Mapping[str, Any]) -> ModelState:
    kind = _STATES.get(fields.text(data, "is"))
    if kind is None:
        raise InputError(f"unknown state {data['is']!r}")
    names = {member.name for member in members_of(kind)} - _FORGOTTEN
    if set(data) != names | {"is"}:
        raise InputError(f"{kind.__name__} has {sorted(names)}, the journal says {sorted(data)}")
    for name in names:
        if data[name] is None and (kind.__name__, name) not in _NULLABLE:
            raise InputError(f"{name!r} of {kind.__name__} is null")
    causes = get_args(RefuseCause if kind is Refused else DeferCause)
    if "cause" in names and data["cause"] not in causes:
        raise InputError(f"{data['cause']!r} is none of {', '.join(causes)}")
    return kind(**{name: _READ[name](data, name) for name in names})


def _write(value: object) -> Json:
    if isinstance(value, Subject):
        return {"manifest": value.manifest, "release": value.release}
    if isinstance(value, Failure):
        return value.to_dict()
    if value is None or isinstance(value, bool | int | str):
        return value
    return format_instant(cast("Any", value))


def _subject(data: Mapping[str, Any], name: str) -> Subject | None:
    if data[name] is None:
        return None
    value = fields.members(data[name], name)
    return Subject(manifest=parse_digest(fields.text(value, "manifest")), release=fields.text(value, "release"))


def _optional(read: Callable[[Any], object]) -> Callable[[Mapping[str, Any], str], object]:
    return lambda data, name: None if data[name] is None else read(data[name])


def _slot_name(value: object) -> str:
    if value not in get_args(SlotName):
        raise InputError(f"{str(value)[:20]!r} is not a slot")
    return str(value)


_SLOT = _optional(_slot_name)

_READ: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = MappingProxyType(
    {
        "reason": fields.text,
        "subject": _subject,
        "slot": _SLOT,
        "to": _SLOT,
        "cause": fields.text,
        "until": _optional(lambda value: parse_instant(fields.string(value))),
        "failure": _optional(Failure.from_dict),
        "generation": fields.integer,
        "tries": fields.integer,
        "overdue": fields.boolean,
    }
)
