"""What the judge says: gates answered one by one, a verdict, its reasons, and the progress that follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ringtide_contract.canonical import Json
from ringtide_contract.ids import Digest
from ringtide_engine.model.budgets import Candidate
from ringtide_engine.model.desired import Metric, RingPlan, Rollout
from ringtide_engine.model.people import Freeze
from ringtide_engine.model.progress import Progress, VerdictKind

Answer = Literal["pass", "fail", "insufficient evidence"]
"""No evidence is never a pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate of one ring, answered."""

    ring: str
    """Ring."""
    metric: Metric
    """Metric."""
    answer: Answer
    """The answer."""
    text: str
    """The numbers, the limit, and what so many devices can prove."""

    def to_dict(self) -> dict[str, Json]:
        """Write the result for a document."""
        return {"ring": self.ring, "metric": self.metric, "answer": self.answer, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One sentence of a verdict."""

    code: str
    """Stable kind of reason, such as `quorum`."""
    subject: str
    """What it is about: a ring, a gate, a source of reports. Without figures, so that it changes with the situation."""
    text: str
    """The sentence."""

    def to_dict(self) -> dict[str, Json]:
        """Write the reason for a document."""
        return {"code": self.code, "subject": self.subject, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A rollout and all that the judge must know of the desired state around it."""

    rollout: Rollout
    """The rollout."""
    model: str
    """Model that it changes."""
    plan: RingPlan
    """Its plan."""
    progress: Progress | None
    """How far it has come; None before the first verdict."""
    salt: str
    """Salt of the buckets."""
    units: Mapping[str, tuple[int, ...]]
    """Stratum to the buckets of its units, sorted."""
    max_silence: timedelta
    """A device reports at least this often."""
    ingest_interval: timedelta
    """How often reports are collected."""
    banned: str | None
    """Why the candidate is under quarantine; None where it is not."""
    bans: tuple[Digest, ...] | None
    """Model graphs that a roll back bans with the release; None where somebody shall keep the release."""
    freezes: tuple[Freeze, ...] = ()
    """Periods in which no ring opens."""
    budgets: Mapping[str, int] = field(default_factory=dict)
    """Group to how many of its devices may be unavailable at once."""
    candidates: tuple[Candidate, ...] = ()
    """Devices of these groups that the rollout can reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision about one rollout."""

    rollout: str
    """The rollout."""
    kind: VerdictKind
    """What to do."""
    reasons: tuple[Reason, ...]
    """Why."""
    gates: tuple[GateResult, ...]
    """Gates of every open ring."""
    since: datetime | None
    """Opening of the ring that is waited for; None before the first opens and at the end."""
    until: datetime | None
    """Its deadline."""
    progress: Progress
    """What follows, with this verdict in it."""

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What makes two holds the same: kinds and subjects of their reasons, not figures and times."""
        return tuple((reason.code, reason.subject) for reason in self.reasons)

    @property
    def convicts(self) -> bool:
        """Whether it rolls back for a fault of the candidate: people who abort say nothing against it."""
        return self.kind == "rollBack" and any(reason.code != "aborted" for reason in self.reasons)

    def to_dict(self) -> dict[str, Json]:
        """Write the verdict for an evidence file."""
        return {
            "kind": self.kind,
            "phase": self.progress.phase,
            "ring": self.progress.rings[-1].name if self.progress.rings else None,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "gates": [gate.to_dict() for gate in self.gates],
        }
