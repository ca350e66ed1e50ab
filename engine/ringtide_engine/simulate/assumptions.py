"""What a simulation assumes of devices, their links and the candidate."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ringtide_contract.canonical import Json

Connectivity = Literal["always", "intermittent", "diurnal", "long-offline"]
"""Always online; now and then offline; online by the time of day; offline for days."""

SPELLS: Mapping[str, float] = MappingProxyType({"intermittent": 6 * 3600.0, "long-offline": 7 * 86_400.0})
"""Mean time for which a device is offline, seconds, where nothing else is said."""

MAX_REQUESTS = 10_000
"""Requests of one device in an hour; more need no simulation to be judged at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What holds whatever the candidate does. Shares lie between 0 and 1."""

    connectivity: Connectivity = "intermittent"
    """How devices come and go; one that is offline serves on, and neither fetches nor reports."""
    offline: float = 0.1
    """Share of devices that are offline at any time."""
    spell_s: float = SPELLS["intermittent"]
    """Mean time for which one of them is offline, seconds; diurnal devices follow the clock instead."""
    churn: float = 0.0
    """Share of devices that go dark for good in a week."""
    requests: float = 600.0
    """Requests of a device in an hour, on average; devices differ."""
    errors: float = 0.0001
    """Share of requests that fail with any release."""
    slow: float = 0.001
    """Share of requests over the latency budget with any release."""
    differs: float = 0.002
    """Share of compared requests on which any new release answers otherwise than the stable one."""
    spontaneous: float = 0.001
    """Chance that a device fails hard on any release, by no fault of it."""

    def to_dict(self) -> dict[str, Json]:
        """Write the assumptions for a document; floats as text, since documents have whole numbers only."""
        return {
            "connectivity": self.connectivity,
            "offline": number(self.offline),
            "offlineSeconds": round(self.spell_s) if self.connectivity in SPELLS else None,
            "churnPerWeek": number(self.churn),
            "requestsPerHour": number(self.requests),
            "errors": number(self.errors),
            "slow": number(self.slow),
            "differs": number(self.differs),
            "spontaneousFailures": number(self.spontaneous),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with the candidate."""

    fails: float = 0.0
    """Chance that it fails hard on a device that it can hurt."""
    factor: float = 1.0
    """Requests that it fails there, as a multiple of those that any release fails."""
    only: str | None = None
    """Whom it can hurt: a stratum, or `label=value`; everybody where None."""

    def to_dict(self) -> dict[str, Json]:
        """Write the fault for a document."""
        return {"fails": number(self.fails), "factor": number(self.factor), "only": self.only}


SOUND = Fault()
"""Nothing is wrong."""


def number(value: float) -> str:
    """Write a number with six digits, the same on every machine."""
    return f"{value:.6g}"
