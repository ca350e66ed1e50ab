"""How far a rollout has come: written by the judge alone, read by resolve."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ringtide_contract.membership import Cut

RolloutPhase = Literal["rolling", "completed", "rolledBack"]

VerdictKind = Literal["promote", "hold", "rollBack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRing:
    """A ring that the judge has opened."""

    name: str
    """Name of the ring in its plan."""
    opened_at: datetime
    """When; the judge's `now`."""
    cuts: Mapping[str, Cut]
    """Stratum to cut. For a ring by cohort it holds `EVERYBODY`, and the cohort's selector limits it."""
    cohort: str | None
    """Cohort of the ring; None for a ring by share."""
    admitted: Mapping[str, Cut] | None = None
    """Where budgets hold: cell to the border below which its devices may begin; None: everybody at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVerdict:
    """The verdict that wrote the file."""

    kind: VerdictKind
    """What was decided."""
    reasons: tuple[str, ...]
    """Why, one sentence each."""
    at: datetime
    """The judge's `now`."""
    evidence: str
    """Path of the evidence file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`progress/<rollout>.yaml`."""

    rollout: str
    """The rollout."""
    candidate: str
    """Version that it brings."""
    stable: str | None
    """Steady state after the rollout: the candidate once completed; None before, and after a roll back."""
    phase: RolloutPhase
    """Where it stands."""
    control: Mapping[str, Cut]
    """Stratum to the border at and above which units stay on the stable release until the last ring."""
    rings: tuple[OpenedRing, ...]
    """Rings opened so far, in order."""
    last: LastVerdict
    """The verdict that wrote this."""
