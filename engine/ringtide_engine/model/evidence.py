"""What the judge decides by: observations of devices, counted by ring, stratum and arm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import (
    DeviceId,
    Digest,
    format_instant,
    parse_device_id,
    parse_instant,
    parse_name,
    parse_version,
)
from ringtide_contract.report import Report
from ringtide_contract.sketch import LatencySketch
from ringtide_engine.model.named import Harm, Waiting
from ringtide_engine.model.spans import Span

MAX_EVIDENCE_BYTES = 32 * 1024 * 1024

Arm = Literal["exposed", "control"]
"""Devices that the rollout reaches, and devices kept on the stable release to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A report that a collector accepted."""

    ingested_at: datetime
    """When; the only time that the judge goes by."""
    report: Report
    """The report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A device as one rollout sees it."""

    device: DeviceId
    """The device."""
    stratum: str
    """Its stratum."""
    bucket: int
    """Bucket of its unit."""
    manifest: Digest
    """The candidate's manifest for its class."""
    budget_us: int
    """The candidate's latency budget on its hardware."""
    budget_bytes: int
    """The candidate's memory budget there."""
    cohorts: frozenset[str]
    """Those cohorts of the plan's rings that it belongs to."""
    held: bool
    """Takes nothing new: it is not waited for, but what it reports still counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmations:
    """Devices whose present confirmation was first heard of at one ingest."""

    at: datetime
    """Time of the ingest."""
    devices: int
    """How many."""

    @classmethod
    def from_dict(cls, value: object) -> "Confirmations":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "confirmations")
        return cls(at=parse_instant(fields.text(data, "at")), devices=fields.integer(data, "devices"))

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {"at": format_instant(self.at), "devices": self.devices}


COUNTS = (
    "assigned",
    "held",
    "unreachable",
    "went_silent",
    "reached",
    "confirmed",
    "reverted",
    "refused",
    "hard_failed",
    "gaps",
    "serving",
    "requests",
    "failures",
    "over_budget",
    "served_ppm",
    "slow_ppm",
    "comparing",
    "compared",
    "agreed",
    "agreed_ppm",
    "watching",
    "drift_windows",
    "drifted_windows",
    "drifted_ppm",
)
"""The members of a tally that add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Devices of one ring, stratum and arm, and what they did."""

    ring: str
    """Ring; for the control the ring whose opening its counters are counted from."""
    stratum: str
    """Stratum."""
    arm: Arm
    """Arm."""
    assigned: int
    """Devices, without the held ones."""
    held: int
    """Devices that take nothing new."""
    unreachable: int
    """Assigned devices that were silent already before the ring opened, and still are."""
    went_silent: int
    """Assigned devices heard of before, or after, and silent for three times `maxSilence` now."""
    reached: int
    """Devices that accepted a publication which asks for the candidate."""
    confirmed: int
    """Devices that run the candidate after probation, by their last report."""
    reverted: int
    """Devices on which the candidate failed and was taken back."""
    refused: int
    """Devices that would not activate it: over budget in the probe, a requirement, or quarantine."""
    hard_failed: int
    """Devices with a crash, a golden mismatch, a failed load or a revert."""
    gaps: int
    """Devices of which a report was lost; cumulative counters make up for it."""
    serving: int
    """Devices with at least one request."""
    requests: int
    """Requests."""
    failures: int
    """Failed requests."""
    over_budget: int
    """Requests slower than the budget."""
    served_ppm: int
    """Sum over serving devices of their share of good requests, in millionths."""
    slow_ppm: int
    """Sum over serving devices of their share of requests over the budget, in millionths."""
    comparing: int
    """Devices with at least one compared request."""
    compared: int
    """Requests also answered by the stable release."""
    agreed: int
    """Of these, the ones with the same answer."""
    agreed_ppm: int
    """Sum over comparing devices of their share of agreement, in millionths."""
    watching: int
    """Devices with at least one window held against the drift reference."""
    drift_windows: int
    """Windows held against it."""
    drifted_windows: int
    """Of these, the ones unlike it."""
    drifted_ppm: int
    """Sum over watching devices of their share of these, in millionths."""
    budget_us: int
    """Latency budget of the stratum's hardware."""
    latency: LatencySketch
    """Latencies."""
    confirmations: tuple[Confirmations, ...]
    """When the confirmed devices were heard to be so, oldest first."""
    waiting: tuple[Waiting, ...]
    """Reachable devices neither confirmed nor failed: the first few by name."""
    harmed: tuple[Harm, ...]
    """Hard failed devices: the first few by name."""
    silent: tuple[DeviceId, ...]
    """Devices that went silent: the first few by name."""
    over_memory: int = 0
    """Serving devices whose process has needed more memory than its budget."""
    peak_memory_bytes: int = 0
    """Most memory that the process of any of them has needed."""
    spans: tuple[Span, ...] = ()
    """How devices fared, span by span of their requests."""
    cloned: tuple[DeviceId, ...] = ()
    """Devices of which two report with one key, the first few by name; nothing they say counts. Left out where empty."""

    @property
    def reachable(self) -> int:
        """Devices that the quorum is a share of."""
        return self.assigned - self.unreachable

    @property
    def decided(self) -> int:
        """Devices on which the candidate was kept, taken back or refused."""
        return self.confirmed + self.reverted + self.refused

    @classmethod
    def from_dict(cls, value: object) -> "Tally":
        """Read a tally from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "tally")
        arm = fields.text(data, "arm")
        if arm not in get_args(Arm):
            raise InputError(f"{arm[:20]!r} is not an arm")
        return cls(
            ring=parse_name(fields.text(data, "ring")),
            stratum=fields.text(data, "stratum"),
            arm=cast("Arm", arm),
            budget_us=fields.integer(data, "budgetUs", least=1),
            over_memory=fields.integer(data, "overMemory"),
            peak_memory_bytes=fields.integer(data, "peakMemoryBytes"),
            latency=LatencySketch.from_dict(data.get("latency")),
            confirmations=fields.items(data, "confirmations", Confirmations.from_dict),
            waiting=fields.items(data, "waiting", Waiting.from_dict),
            harmed=fields.items(data, "harmed", Harm.from_dict),
            silent=fields.items(data, "silent", lambda item: parse_device_id(fields.string(item))),
            spans=fields.items(data, "spans", Span.from_dict),
            cloned=fields.items(data, "cloned", lambda item: parse_device_id(fields.string(item)))
            if "cloned" in data
            else (),
            **{name: fields.integer(data, _member(name)) for name in COUNTS},
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the tally as `from_dict` reads it."""
        cloned: dict[str, Json] = {"cloned": list(self.cloned)} if self.cloned else {}
        return {
            "ring": self.ring,
            "stratum": self.stratum,
            "arm": self.arm,
            "budgetUs": self.budget_us,
            "overMemory": self.over_memory,
            "peakMemoryBytes": self.peak_memory_bytes,
            "latency": self.latency.to_dict(),
            "confirmations": [item.to_dict() for item in self.confirmations],
            "waiting": [item.to_dict() for item in self.waiting],
            "harmed": [item.to_dict() for item in self.harmed],
            "silent": list(self.silent),
            "spans": [span.to_dict() for span in self.spans],
            **{_member(name): getattr(self, name) for name in COUNTS},
            **cloned,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One collector's part of the evidence."""

    branch: str
    """Its branch in the reports repository."""
    commit: str
    """The commit that was read."""
    through: datetime
    """Time of its last ingest: what happened later is unknown."""

    @classmethod
    def from_dict(cls, value: object) -> "Source":
        """Read a source from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "source of evidence")
        return cls(
            branch=fields.text(data, "branch"),
            commit=fields.text(data, "commit"),
            through=parse_instant(fields.text(data, "through")),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the source as `from_dict` reads it."""
        return {"branch": self.branch, "commit": self.commit, "through": format_instant(self.through)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a verdict rests on besides the desired state of its source commit."""

    rollout: str
    """The rollout."""
    candidate: str
    """Version that it brings."""
    now: datetime
    """The judge's present, whole seconds."""
    source: str
    """Commit of the fleet repository that was judged; the verdict is its child."""
    sources: tuple[Source, ...]
    """Collectors, by branch; none where nothing was collected yet."""
    tool: str
    """Name and version of the judge."""
    tallies: tuple[Tally, ...]
    """Ordered by ring, stratum and arm; none before the first ring opens."""
    occupied: Mapping[str, int] | None = None
    """Group of a disruption budget to its unavailable devices, those of other rollouts among them; None without budgets."""

    @property
    def through(self) -> datetime | None:
        """Until when the evidence reaches: the laggard decides. None where nothing was collected."""
        return min((source.through for source in self.sources), default=None)

    @classmethod
    def from_dict(cls, value: object) -> "Evidence":
        """Read evidence from decoded JSON; other members are outcomes, which are computed again.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.document(value, "Evidence")
        return cls(
            rollout=parse_name(fields.text(data, "rollout")),
            candidate=parse_version(fields.text(data, "candidate")),
            now=parse_instant(fields.text(data, "now")),
            source=fields.text(data, "source"),
            sources=fields.items(data, "sources", Source.from_dict),
            tool=fields.text(data, "tool"),
            tallies=fields.items(data, "tallies", Tally.from_dict),
            occupied=None if data.get("occupied") is None else dict(fields.mapping(data, "occupied", _count)),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the evidence as `from_dict` reads it."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Evidence",
            "rollout": self.rollout,
            "candidate": self.candidate,
            "now": format_instant(self.now),
            "source": self.source,
            "sources": [source.to_dict() for source in self.sources],
            "tool": self.tool,
            "tallies": [tally.to_dict() for tally in self.tallies],
            **({} if self.occupied is None else {"occupied": dict(self.occupied)}),
        }


def read_evidence(content: bytes) -> tuple[Evidence, Mapping[str, object]]:
    """Read an evidence file.

    Returns:
        The evidence, and the recorded result.

    Raises:
        InputError: Not an evidence file.
    """
    data = decode(content, limit=MAX_EVIDENCE_BYTES)
    return Evidence.from_dict(data), fields.members(data.get("result"), "result")


def write_evidence(evidence: Evidence, judged: Mapping[str, Json]) -> bytes:
    """Write an evidence file: the evidence with `judged` beside it (plan, units, result)."""
    return encode({**evidence.to_dict(), **judged})


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{value!r} is not a number of devices")
    return value


def _member(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
