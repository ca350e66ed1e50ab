"""The report: what one device observed, signed by its key, numbered and chained.

Counters are cumulative for each manifest and serving session, so a lost report loses nothing; raw inputs never leave
the device. Times in a report are for display: the engine goes by the time of ingest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.envelope import REPORT, Envelope, open_envelope, seal
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.folded import Folded
from ringtide_contract.ids import (
    DeviceId,
    Digest,
    format_instant,
    parse_device_id,
    parse_digest,
    parse_instant,
    parse_name,
)
from ringtide_contract.keys import PrivateKey, PublicKey
from ringtide_contract.sketch import LatencySketch

MAX_REPORT_BYTES = 64 * 1024

MAX_NOTE = 300
"""Characters of a free text in a report; longer ones are cut by the device and refused by the engine."""

Phase = Literal["absent", "installing", "deferred", "probation", "confirmed", "reverted", "refused"]
"""Where a model stands on the device. Only `confirmed` is success, and only for the manifest named as active."""

FailedStep = Literal["load", "golden", "budget", "crash", "probation", "quarantine", "requirement"]
"""What a device remembers of a manifest that it will not try again. Disk, power and network are never remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What serves."""

    manifest: Digest
    """Its manifest."""
    release: str
    """Version of the release."""
    variant: str
    """Its variant."""

    @classmethod
    def from_dict(cls, value: object) -> "Running":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "running release")
        return cls(
            manifest=parse_digest(fields.text(data, "manifest")),
            release=fields.text(data, "release"),
            variant=fields.text(data, "variant"),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {"manifest": self.manifest, "release": self.release, "variant": self.variant}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A manifest that failed here, remembered by content and attempt."""

    manifest: Digest
    """The manifest; its digest covers the attempt."""
    release: str
    """Version of the release."""
    step: FailedStep
    """Where it failed."""
    note: str
    """What was seen, for people."""

    @classmethod
    def from_dict(cls, value: object) -> "Failure":
        """Read a failure from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "failure")
        step = fields.text(data, "step")
        if step not in get_args(FailedStep):
            raise InputError(f"{step[:20]!r} is not a step that can fail")
        return cls(
            manifest=parse_digest(fields.text(data, "manifest")),
            release=fields.text(data, "release"),
            step=cast("FailedStep", step),
            note=_note(data, "note"),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the failure as `from_dict` reads it."""
        return {"manifest": self.manifest, "release": self.release, "step": self.step, "note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What one manifest did in one serving session, counted from the start of that session."""

    manifest: Digest
    """The manifest that served."""
    session: str
    """Random name of the serving session; a restarted worker starts another."""
    requests: int
    """Inference requests answered, failures among them."""
    failures: int
    """Requests that ended in an error of ours; bad requests do not count."""
    over_budget: int
    """Requests slower than the manifest's latency budget."""
    compared: int
    """Sampled live requests also answered by the stable release."""
    agreed: int
    """Of these, the ones with the same answer."""
    crashes: int
    """Ends of the serving process that nobody asked for, while this manifest was active."""
    peak_memory_bytes: int
    """Most resident memory of the serving process so far."""
    latency: LatencySketch
    """Inference latencies."""
    drift_windows: int = 0
    """Windows of sampled requests that were held against the drift reference."""
    drifted_windows: int = 0
    """Of these, the ones unlike it."""

    @classmethod
    def from_dict(cls, value: object) -> "Counters":
        """Read counters from decoded JSON.

        Raises:
            InputError: A member is missing or wrong, or a part exceeds its whole.
        """
        data = fields.members(value, "counters")
        counters = cls(
            manifest=parse_digest(fields.text(data, "manifest")),
            session=fields.text(data, "session"),
            requests=fields.integer(data, "requests"),
            failures=fields.integer(data, "failures"),
            over_budget=fields.integer(data, "overBudget"),
            compared=fields.integer(data, "compared"),
            agreed=fields.integer(data, "agreed"),
            crashes=fields.integer(data, "crashes"),
            peak_memory_bytes=fields.integer(data, "peakMemoryBytes"),
            latency=LatencySketch.from_dict(data.get("latency")),
            drift_windows=fields.optional_integer(data, "driftWindows") or 0,
            drifted_windows=fields.optional_integer(data, "driftedWindows") or 0,
        )
        parts = (
            (max(counters.failures, counters.over_budget), counters.requests),
            (counters.agreed, counters.compared),
            (counters.drifted_windows, counters.drift_windows),
        )
        if any(part > whole for part, whole in parts):
            raise InputError("a counter exceeds the one it is part of")
        return counters

    def to_dict(self) -> dict[str, Json]:
        """Write the counters as `from_dict` reads them."""
        entry: dict[str, Json] = {
            "manifest": self.manifest,
            "session": self.session,
            "requests": self.requests,
            "failures": self.failures,
            "overBudget": self.over_budget,
            "compared": self.compared,
            "agreed": self.agreed,
            "crashes": self.crashes,
            "peakMemoryBytes": self.peak_memory_bytes,
            "latency": self.latency.to_dict(),
        }
        if self.drift_windows:
            entry["driftWindows"] = self.drift_windows
            entry["driftedWindows"] = self.drifted_windows
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """Where one model stands on the device."""

    phase: Phase
    """Where it stands."""
    active: Running | None
    """What serves now, re-asserted in every report."""
    desired: Digest | None
    """The manifest that the accepted publication asks for."""
    reason: str
    """Why it stands there: the event, its cause, the next step."""
    failures: tuple[Failure, ...]
    """What failed here and is remembered."""
    counters: tuple[Counters, ...]
    """Service counters of recent sessions."""

    @classmethod
    def from_dict(cls, value: object) -> "ModelReport":
        """Read a model's part from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "model report")
        phase = fields.text(data, "phase")
        if phase not in get_args(Phase):
            raise InputError(f"{phase[:20]!r} is not a phase")
        desired = fields.optional_text(data, "desired")
        return cls(
            phase=cast("Phase", phase),
            active=None if data.get("active") is None else Running.from_dict(data["active"]),
            desired=None if desired is None else parse_digest(desired),
            reason=_note(data, "reason"),
            failures=fields.items(data, "failures", Failure.from_dict),
            counters=fields.items(data, "counters", Counters.from_dict),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the model's part as `from_dict` reads it."""
        return {
            "phase": self.phase,
            "active": None if self.active is None else self.active.to_dict(),
            "desired": self.desired,
            "reason": self.reason,
            "failures": [failure.to_dict() for failure in self.failures],
            "counters": [counters.to_dict() for counters in self.counters],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something abnormal that holds now; absent when all is well."""

    type: str
    """`stale`, `clock-behind`, `trust-refused`, `source-unreachable`, `disk-full`, `key-unavailable`, `held`."""
    note: str
    """Event, cause and next step, for people."""

    @classmethod
    def from_dict(cls, value: object) -> "Condition":
        """Read a condition from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "condition")
        return cls(type=parse_name(fields.text(data, "type")), note=_note(data, "note"))

    def to_dict(self) -> dict[str, Json]:
        """Write the condition as `from_dict` reads it."""
        return {"type": self.type, "note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One numbered observation by one device."""

    fleet: str
    """The fleet."""
    device: DeviceId
    """The device."""
    number: int
    """Counts up by one from 1; a gap shows a lost report, a repetition a replay or a clone."""
    previous: Digest | None
    """SHA-256 of the payload of the report before; None for the first."""
    session: str
    """Random name of the agent's run."""
    agent: str
    """Version of the agent."""
    onnxruntime: str | None = None
    """Version of onnxruntime beside it; None where the agent does not say, as older ones do not."""
    device_time: datetime
    """The device's clock, for display."""
    epoch: int
    """Epoch of the publication accepted last; 0 before the first."""
    generation: int
    """Generation of the publication accepted last; 0 before the first."""
    statement: Digest | None
    """SHA-256 of that publication's payload: two histories under one number show here."""
    conditions: tuple[Condition, ...]
    """What is abnormal."""
    models: Mapping[str, ModelReport]
    """Model to where it stands."""
    folded: Folded | None = None
    """Reports that the device could not keep; None where it kept all that nobody has taken."""

    @classmethod
    def decode(cls, payload: bytes) -> "Report":
        """Read a report from the payload of its envelope.

        Raises:
            InputError: Not a report.
        """
        data = fields.document(decode(payload, limit=MAX_REPORT_BYTES), "Report")
        previous = fields.optional_text(data, "previous")
        statement = fields.optional_text(data, "statement")
        models = fields.mapping(data, "models", ModelReport.from_dict)
        return cls(
            fleet=parse_name(fields.text(data, "fleet")),
            device=parse_device_id(fields.text(data, "device")),
            number=fields.integer(data, "number", least=1),
            previous=None if previous is None else parse_digest(previous),
            session=fields.text(data, "session"),
            agent=fields.text(data, "agent"),
            onnxruntime=fields.optional_text(data, "onnxruntime"),
            device_time=parse_instant(fields.text(data, "deviceTime")),
            epoch=fields.integer(data, "epoch"),
            generation=fields.integer(data, "generation"),
            statement=None if statement is None else parse_digest(statement),
            conditions=fields.items(data, "conditions", Condition.from_dict),
            models={parse_name(model): part for model, part in models.items()},
            folded=None if data.get("folded") is None else Folded.from_dict(data["folded"]),
        )

    def encode(self) -> bytes:
        """Write the report in canonical bytes."""
        models: dict[str, Json] = {model: part.to_dict() for model, part in self.models.items()}
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "Report",
                "fleet": self.fleet,
                "device": self.device,
                "number": self.number,
                "previous": self.previous,
                "session": self.session,
                "agent": self.agent,
                **({} if self.onnxruntime is None else {"onnxruntime": self.onnxruntime}),
                "deviceTime": format_instant(self.device_time),
                "epoch": self.epoch,
                "generation": self.generation,
                "statement": self.statement,
                "conditions": [condition.to_dict() for condition in self.conditions],
                "models": models,
                **({} if self.folded is None else {"folded": self.folded.to_dict()}),
            }
        )


def seal_report(report: Report, key: PrivateKey) -> bytes:
    """Sign a report; the bytes are a DSSE envelope in canonical JSON."""
    return encode(seal(key, REPORT, report.encode()).to_dict())


def open_report(content: bytes, key: PublicKey, *, fleet: str, device: DeviceId) -> tuple[Report, bytes]:
    """Check a sealed report and read it.

    The caller must check the number against the last one it took from this device, and that `key` is the one enrolled.

    Returns:
        The report and its payload, whose digest the next report names as `previous`.

    Raises:
        TrustError: Malformed, not signed by `key`, or of another fleet or device.
    """
    try:
        envelope = Envelope.from_dict(decode(content, limit=2 * MAX_REPORT_BYTES))
        payload = open_envelope(envelope, key, REPORT)
        report = Report.decode(payload)
    except InputError as error:
        raise TrustError("REPORT-FORM", f"not a report: {error}") from error
    if (report.fleet, report.device) != (fleet, device):
        raise TrustError("REPORT-DEVICE", f"a report of {report.fleet}/{report.device} where {fleet}/{device} is due")
    return report, payload


def _note(data: Mapping[str, object], name: str) -> str:
    text = fields.text(data, name)
    if len(text) > MAX_NOTE:
        raise InputError(f"{name!r} is longer than {MAX_NOTE} characters")
    return text
