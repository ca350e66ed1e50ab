"""The four questions, answered from many runs: how fast, how much harm, how often wrong, how many bytes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ringtide_contract import API_VERSION
from ringtide_contract.ids import format_instant
from ringtide_engine.simulate.assumptions import Assumptions, Fault
from ringtide_engine.simulate.course import Run
from ringtide_engine.simulate.reach import Floats

ADOPTION = (0.80, 0.95)
"""Shares of devices whose adoption is timed."""

_HOUR = 3600
_Z = 1.959964
"""95 % of a normal distribution lie within so many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a figure differs from run to run; None where it was not reached in enough runs."""

    low: int | None
    """10 % of runs come to at most this."""
    median: int | None
    """Half of them."""
    high: int | None
    """90 %."""
    most: int | None
    """95 %."""

    def to_dict(self) -> dict[str, Any]:
        """Write the spread for a document."""
        return {"p10": self.low, "median": self.median, "p90": self.high, "p95": self.most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """In how many runs something happened."""

    runs: int
    """In so many."""
    of: int
    """Of so many."""

    @property
    def share(self) -> float:
        """The share of runs."""
        return self.runs / self.of

    @property
    def between(self) -> tuple[float, float]:
        """Where the chance lies with 95 % confidence (E. B. Wilson, 1927): few runs say little."""
        share, square = self.share, _Z * _Z / self.of
        middle = (share + square / 2) / (1 + square)
        half = _Z / (1 + square) * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of))
        low = 0.0 if self.runs == 0 else max(0.0, middle - half)
        return low, 1.0 if self.runs == self.of else min(1.0, middle + half)

    def to_dict(self) -> dict[str, Any]:
        """Write the chance for a document."""
        low, high = self.between
        return {"runs": self.runs, "of": self.of, "share": _short(self.share), "between": [_short(low), _short(high)]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of the runs with one candidate."""

    runs: tuple[Run, ...]
    """The runs."""
    step_s: int
    """Seconds from step to step."""

    def ended(self, phase: str) -> Chance:
        """Return in how many runs the rollout ended so; `rolling` where it did not end."""
        return Chance(runs=sum(run.phase == phase for run in self.runs), of=len(self.runs))

    def adopted(self, share: float) -> Spread:
        """Return after how many seconds `share` of the devices run the candidate."""
        return spread([self._reached(run, share) for run in self.runs])

    def _reached(self, run: Run, share: float) -> float:
        above = np.flatnonzero(run.adopted >= share)
        return math.inf if run.phase == "rolledBack" or not len(above) else float(above[0]) * self.step_s

    @property
    def harmed(self) -> Spread:
        """Devices on which the candidate's fault shows."""
        return spread([run.harmed for run in self.runs])

    @property
    def exposed(self) -> Spread:
        """Devices that activated the candidate."""
        return spread([run.exposed for run in self.runs])

    @property
    def stopped_s(self) -> Spread:
        """After how many seconds it was rolled back."""
        return spread([math.inf if run.phase != "rolledBack" else float(run.ended_s or 0) for run in self.runs])

    @property
    def reasons(self) -> Mapping[str, int]:
        """Kinds of reasons of the last verdicts to runs."""
        return dict(sorted(Counter(code for run in self.runs for code in run.reasons).items()))

    @property
    def hours(self) -> tuple[Floats, ...]:
        """Bytes fetched in each hour, run by run."""
        return tuple(_hours(run.fetched, self.step_s) for run in self.runs)

    @property
    def peaks(self) -> Spread:
        """Bytes fetched in the busiest hour."""
        return spread([float(each.max(initial=0.0)) for each in self.hours])

    def opened(self) -> Mapping[str, Spread]:
        """Return after how many seconds each ring opened; those that opened in some run."""
        names = dict.fromkeys(name for run in self.runs for name, _ in run.opened_s)
        return {name: spread([dict(run.opened_s).get(name, math.inf) for run in self.runs]) for name in names}

    def band(self, share: float) -> list[float]:
        """Return the share of devices that run the candidate, hour by hour, in the `share`-quantile of the runs."""
        curves = np.sort(np.stack([run.adopted for run in self.runs]), axis=0)
        chosen = curves[_rank(share, len(self.runs))]
        hours = [int(hour * _HOUR / self.step_s) for hour in range(int((len(chosen) - 1) * self.step_s / _HOUR) + 1)]
        return [_short(float(chosen[place])) for place in hours]

    def to_dict(self) -> dict[str, Any]:
        """Write what both kinds of candidates have."""
        return {
            "completed": self.ended("completed").to_dict(),
            "rolledBack": self.ended("rolledBack").to_dict(),
            "underWay": self.ended("rolling").to_dict(),
            "lastReasons": self.reasons,
            "ringsOpenAfterSeconds": {name: each.to_dict() for name, each in self.opened().items()},
            "exposed": self.exposed.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A simulated rollout."""

    rollout: str
    """The rollout."""
    model: str
    """Model that it changes."""
    candidate: str
    """Version that it brings."""
    ring_plan: str
    """Ring plan that it follows."""
    now: datetime
    """The present: when it starts, or goes on."""
    days: int
    """Days simulated."""
    seed: int
    """Seed of chance."""
    devices: int
    """Devices that it can reach."""
    strata: Mapping[str, int]
    """Stratum to devices."""
    assumed: Assumptions
    """What was assumed of devices."""
    fault: Fault
    """What was assumed to be wrong with the faulty candidate."""
    sound: Outcome
    """Runs of a candidate with nothing wrong; none where only the sentence is asked for."""
    faulty: Outcome
    """Runs of a faulty candidate."""

    @property
    def sentence(self) -> str:
        """What a faulty candidate would do, in one sentence."""
        harmed, failed = self.faulty.harmed, self.faulty.ended("rolledBack")
        whom = f"{self.fault.only} devices" if self.fault.only else "devices"
        breaks = f"breaks {self.fault.fails * 100:g} % of {whom}" if self.fault.fails else ""
        more = f"fails {self.fault.factor:g} times as many requests on {whom}" if self.fault.factor != 1 else ""
        what = " and ".join(part for part in (breaks, more) if part)
        median, most = harmed.median or 0, harmed.most or 0
        see = ("device", "sees it") if median == 1 else ("devices", "see it")
        text = (
            f"if {self.model} {self.candidate} {what}, {median} {see[0]} ({median / self.devices * 100:.2g} %) {see[1]}"
        )
        if failed.runs == failed.of:
            return f"{text} before the roll back, 95 %: {most}"
        return f"{text} within {self.days} days, 95 %: {most}; in {failed.of - failed.runs} of {failed.of} runs nothing rolls it back"

    def to_dict(self) -> dict[str, Any]:
        """Write the simulation for a document."""
        sound, faulty = self.sound, self.faulty
        mean = np.mean(np.stack(sound.hours), axis=0)
        return {
            "apiVersion": API_VERSION,
            "kind": "Simulation",
            "rollout": self.rollout,
            "model": self.model,
            "candidate": self.candidate,
            "ringPlan": self.ring_plan,
            "now": format_instant(self.now),
            "days": self.days,
            "seed": self.seed,
            "stepSeconds": sound.step_s,
            "devices": self.devices,
            "strata": dict(self.strata),
            "assumptions": self.assumed.to_dict(),
            "fault": self.fault.to_dict(),
            "summary": self.sentence,
            "sound": {
                **sound.to_dict(),
                "adoptionSeconds": {f"{share:.0%}": sound.adopted(share).to_dict() for share in ADOPTION},
                "falseStop": sound.ended("rolledBack").to_dict(),
                "bytesPerHour": {"peak": sound.peaks.to_dict(), "profile": [round(each) for each in _trimmed(mean)]},
                "adoptionByHour": {
                    name: sound.band(share) for name, share in (("p10", 0.1), ("median", 0.5), ("p90", 0.9))
                },
            },
            "faulty": {
                **faulty.to_dict(),
                "harmed": faulty.harmed.to_dict(),
                "harmedShare": {
                    "median": _short((faulty.harmed.median or 0) / self.devices),
                    "p95": _short((faulty.harmed.most or 0) / self.devices),
                },
                "stoppedAfterSeconds": faulty.stopped_s.to_dict(),
                "falsePromotion": faulty.ended("completed").to_dict(),
            },
        }


def spread(figures: Sequence[float]) -> Spread:
    """Return the quantiles of a figure over runs: the least value that so many runs keep to."""
    ordered = sorted(figures)

    def at(share: float) -> int | None:
        value = ordered[_rank(share, len(ordered))]
        return None if value == math.inf else round(value)

    return Spread(low=at(0.1), median=at(0.5), high=at(0.9), most=at(0.95))


def _rank(share: float, count: int) -> int:
    return max(0, math.ceil(round(share * count, 9)) - 1)


def _hours(fetched: Floats, step_s: int) -> Floats:
    hour = np.maximum(np.arange(len(fetched)) * step_s - 1, 0) // _HOUR  # what a step ends with lies before it
    return np.bincount(hour, weights=fetched).astype(np.float64)


def _trimmed(hours: Floats) -> list[float]:
    last = np.flatnonzero(hours)
    return [float(each) for each in hours[: int(last[-1]) + 1]] if len(last) else []


def _short(value: float) -> float:
    return float(f"{value:.4g}")
