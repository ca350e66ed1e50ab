"""What the device says of itself, when it says it, and the outbox that keeps it until somebody has taken it."""

import base64
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from ringtide_agent.equipment import Settings
from ringtide_agent.orders import Orders
from ringtide_agent.ports import Signer, SlotContent
from ringtide_agent.state import (
    Confirming,
    Deferred,
    Idle,
    ModelState,
    Probation,
    Record,
    Refused,
    Reverted,
    Reverting,
)
from ringtide_contract import fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.envelope import REPORT, Envelope, pae
from ringtide_contract.errors import InputError
from ringtide_contract.folded import Folded
from ringtide_contract.ids import Digest, format_instant, parse_digest, parse_instant, sha256
from ringtide_contract.report import (
    MAX_NOTE,
    MAX_REPORT_BYTES,
    Condition,
    Counters,
    ModelReport,
    Phase,
    Report,
    Running,
)
from ringtide_contract.sketch import merge

OUTBOX_REPORTS = 64
"""Reports that wait for a connection. Older ones are folded: the reports after them name their numbers and sum them up, and
since counters are cumulative the next report carries theirs."""

OUTBOX_BYTES = 1024 * 1024
"""The outbox is rewritten with every report; a megabyte bounds the wear of the flash."""

SEALED_BYTES = 4 * (MAX_REPORT_BYTES // 3 + 1) + 1024
"""Room for one more report: its payload in base64, signature and names."""

MAX_OUTBOX_ENTRY_BYTES = 4 * 1024 * 1024
"""The journal entry with its encoding."""

SESSIONS_REPORTED = 16
"""Serving sessions per model in a report, the newest; fewer where the report would grow over its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What must survive a restart so that the chain of reports has no break and nothing is sent twice differently."""

    number: int = 0
    """Number of the last report; 0 before the first."""
    previous: Digest | None = None
    """SHA-256 of its payload."""
    sent_at: datetime | None = None
    """When it was made, by the device's clock."""
    facts: Digest | None = None
    """Digest of what it said apart from counters and times."""
    figures: Digest | None = None
    """Digest of its counters."""
    outbox: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Sealed reports that nobody has taken yet, by number."""
    folded: Folded | None = None
    """Reports that had to leave the outbox before anybody took them; None once a report that names them was taken."""
    conditions: tuple[Condition, ...] = ()
    """What the last report called abnormal, for people at the device."""

    @classmethod
    def decode(cls, content: bytes) -> "Ledger":
        """Read what `encode` wrote.

        Raises:
            InputError: Damaged.
        """
        data = fields.members(decode(content, limit=MAX_OUTBOX_ENTRY_BYTES), "ledger")
        sent_at = fields.optional_text(data, "sentAt")
        outbox = fields.mapping(data, "outbox", fields.string)
        try:
            reports = {int(number): base64.b64decode(text, validate=True) for number, text in outbox.items()}
        except ValueError as error:
            raise InputError("the outbox is damaged") from error
        return cls(
            number=fields.integer(data, "number"),
            previous=_digest(data, "previous"),
            sent_at=None if sent_at is None else parse_instant(sent_at),
            facts=_digest(data, "facts"),
            figures=_digest(data, "figures"),
            outbox=reports,
            folded=None if data.get("folded") is None else Folded.from_dict(data["folded"]),
            conditions=fields.items(data, "conditions", Condition.from_dict) if "conditions" in data else (),
        )

    def without(self, taken: Collection[int]) -> "Ledger":
        """Return the ledger after reports of the outbox were taken."""
        left = {number: sealed for number, sealed in self.outbox.items() if number not in taken}
        told = self.number in taken  # the newest report names all that was folded, and the next fold needs a newer one
        return replace(self, outbox=MappingProxyType(left), folded=None if told else self.folded)

    def encode(self) -> bytes:
        """Write the ledger for the journal."""
        outbox: dict[str, Json] = {
            str(number): base64.b64encode(sealed).decode("ascii") for number, sealed in self.outbox.items()
        }
        return encode(
            {
                "number": self.number,
                "previous": self.previous,
                "sentAt": None if self.sent_at is None else format_instant(self.sent_at),
                "facts": self.facts,
                "figures": self.figures,
                "outbox": outbox,
                **({} if self.folded is None else {"folded": self.folded.to_dict()}),
                **({"conditions": [each.to_dict() for each in self.conditions]} if self.conditions else {}),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What there is to say of the device at one moment."""

    orders: Orders | None
    """The orders in force."""
    conditions: tuple[Condition, ...]
    """What is abnormal."""
    models: Mapping[str, ModelReport]
    """Where every model stands."""

    @property
    def facts(self) -> Digest:
        """Digest of everything whose change is worth a report at once; free texts, times and counters are not."""
        models: dict[str, Json] = {
            model: [
                part.phase,
                None if part.active is None else part.active.manifest,
                part.desired,
                [[failure.manifest, failure.step] for failure in part.failures],
            ]
            for model, part in self.models.items()
        }
        number = [0, 0] if self.orders is None else [self.orders.floor.epoch, self.orders.floor.generation]
        return sha256(encode([models, number, [condition.type for condition in self.conditions]]))

    @property
    def figures(self) -> Digest:
        """Digest of the counters."""
        return sha256(encode([[item.to_dict() for item in part.counters] for part in self.models.values()]))

    @property
    def in_rollout(self) -> bool:
        """Whether a rollout reaches this device."""
        return self.orders is not None and any(
            order.assignment.ring is not None for order in self.orders.models.values()
        )


def model_report(
    record: Record, active: SlotContent | None, desired: Digest | None, counters: Sequence[Counters]
) -> ModelReport:
    """Return what there is to say of one model.

    Args:
        record: Where it stands.
        active: What it runs from.
        desired: What the orders ask for.
        counters: Its counters, oldest session first.
    """
    running = None
    if active is not None:
        running = Running(manifest=active.digest, release=active.manifest.release, variant=active.manifest.variant)
    return ModelReport(
        phase=phase_of(record, running),
        active=running,
        desired=desired,
        reason=record.state.reason[:MAX_NOTE],
        failures=record.failures,
        counters=tuple(counters)[-SESSIONS_REPORTED:],
    )


def sessions(counters: Sequence[Counters], manifest: Digest) -> tuple[Counters, ...]:
    """Return what all models did together, one for each serving session, in the name of the agent's own release."""
    found: dict[str, list[Counters]] = {}
    for item in counters:
        found.setdefault(item.session, []).append(item)
    return tuple(
        Counters(
            manifest=manifest,
            session=session,
            requests=sum(item.requests for item in parts),
            failures=sum(item.failures for item in parts),
            over_budget=sum(item.over_budget for item in parts),
            compared=sum(item.compared for item in parts),
            agreed=sum(item.agreed for item in parts),
            crashes=max(item.crashes for item in parts),
            peak_memory_bytes=max(item.peak_memory_bytes for item in parts),
            latency=merge(item.latency for item in parts),
        )
        for session, parts in found.items()
    )


def phase_of(record: Record, active: Running | None) -> Phase:
    """Return the phase: only a model whose active release has passed probation here is confirmed."""
    state: ModelState = record.state
    match state:
        case Idle():
            if active is None:
                return "absent"
            return "confirmed" if active.manifest == record.confirmed else "probation"
        case Deferred():
            return "deferred"
        case Refused():
            return "refused"
        case Reverted() | Reverting():
            return "reverted"
        case Probation() | Confirming():
            return "probation"
        case _:
            return "installing"


def due(ledger: Ledger, seen: Observation, settings: Settings, now: datetime) -> bool:
    """Tell whether a report is to be made now."""
    if ledger.sent_at is None or ledger.facts != seen.facts:
        return True
    silence = settings.max_silence_s
    if seen.in_rollout:
        silence = min(silence, settings.rollout_silence_s)
    age = now - ledger.sent_at
    if age < timedelta(0) or age >= timedelta(seconds=silence):
        return True
    return age >= timedelta(seconds=settings.report_interval_s) and ledger.figures != seen.figures


def write_report(ledger: Ledger, seen: Observation, settings: Settings, signer: Signer, now: datetime) -> Ledger:
    """Make, seal and enqueue the next report; the caller makes the ledger durable before anything is sent.

    Raises:
        InputError: The key cannot be used until a person acts.
        TransientError: What holds the key does not answer.
    """
    floor = None if seen.orders is None else seen.orders.floor
    kept, folded = _with_room(ledger)
    report = Report(
        fleet=settings.fleet,
        device=settings.device,
        number=ledger.number + 1,
        previous=ledger.previous,
        session=settings.session,
        agent=settings.version,
        onnxruntime=settings.onnxruntime,
        device_time=now,
        epoch=0 if floor is None else floor.epoch,
        generation=0 if floor is None else floor.generation,
        statement=None if floor is None else floor.payload,
        conditions=seen.conditions,
        models=seen.models,
        folded=folded,
    )
    payload = _fitting(report)
    signature = signer.sign(pae(REPORT, payload))
    sealed = encode(Envelope(payload=payload, payload_type=REPORT, signature=signature).to_dict())
    return Ledger(
        number=report.number,
        previous=sha256(payload),
        sent_at=now.replace(microsecond=0),
        facts=seen.facts,
        figures=seen.figures,
        outbox={**kept, report.number: sealed},
        folded=folded,
        conditions=seen.conditions,
    )


def _fitting(report: Report) -> bytes:
    """Encode a report with as much detail as its size allows: first the oldest sessions go, then texts for people."""
    for sessions in (SESSIONS_REPORTED, 4, 1):
        models = {model: replace(part, counters=part.counters[-sessions:]) for model, part in report.models.items()}
        payload = replace(report, models=models).encode()
        if len(payload) <= MAX_REPORT_BYTES:
            return payload
    models = {model: replace(part, counters=(), failures=part.failures[-1:]) for model, part in report.models.items()}
    payload = replace(report, models=models).encode()
    if len(payload) <= MAX_REPORT_BYTES:
        return payload
    models = {model: replace(part, counters=(), failures=(), reason="") for model, part in report.models.items()}
    folded = None if report.folded is None else replace(report.folded, conditions={}, phases={})
    conditions = tuple(replace(condition, note="") for condition in report.conditions)
    return replace(report, models=models, conditions=conditions, folded=folded).encode()


def _with_room(ledger: Ledger) -> tuple[Mapping[int, bytes], Folded | None]:
    """Return the outbox with room for one more report, and what had to be folded for it."""
    numbers, folded = sorted(ledger.outbox), ledger.folded
    size = sum(map(len, ledger.outbox.values()))
    while numbers and (len(numbers) >= OUTBOX_REPORTS or size + SEALED_BYTES > OUTBOX_BYTES):
        oldest = numbers.pop(0)
        size -= len(ledger.outbox[oldest])
        folded = _fold(folded, ledger.outbox[oldest])
    return {number: ledger.outbox[number] for number in numbers}, folded


def _fold(folded: Folded | None, sealed: bytes) -> Folded:
    report = Report.decode(Envelope.from_dict(decode(sealed, limit=2 * MAX_REPORT_BYTES)).payload)
    conditions = Counter(() if folded is None else folded.conditions)
    conditions.update(condition.type for condition in report.conditions)
    phases = {} if folded is None else {model: Counter(each) for model, each in folded.phases.items()}
    for model, part in report.models.items():
        phases.setdefault(model, Counter())[part.phase] += 1
    at = report.device_time.replace(microsecond=0)
    return Folded(
        first=report.number if folded is None else folded.first,
        last=report.number,
        since=at if folded is None else folded.since,
        until=at,
        conditions=conditions,
        phases=phases,
    )


def _digest(data: Mapping[str, object], name: str) -> Digest | None:
    text = fields.optional_text(data, name)
    return None if text is None else parse_digest(text)
