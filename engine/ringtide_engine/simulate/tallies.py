"""What the judge is told: the tallies that `judge/tally.py` would count from the reports of these devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType

import numpy as np

from ringtide_contract.sketch import LatencySketch, bucket_of
from ringtide_engine.model.evidence import Confirmations, Tally
from ringtide_engine.model.named import Harm, Waiting
from ringtide_engine.model.progress import OpenedRing, Progress
from ringtide_engine.simulate.arms import Arms
from ringtide_engine.simulate.devices import (
    DEFERRED,
    IN_PROBATION,
    IS_CONFIRMED,
    IS_REVERTED,
    SILENT_ON_IT,
    Devices,
)
from ringtide_engine.simulate.marks import AGREED, COMPARED, FAILURES, OVER, REQUESTS
from ringtide_engine.simulate.reach import Bools, Floats, Ints, Reach

NAMED = 10
"""Devices named in one tally."""

FAST, SLOW = 0.6, 2.0
"""Latency of a request within the budget, and of one over it, as a share of the budget."""

_MILLION = 1_000_000
_STANDINGS = {SILENT_ON_IT: "on another release", DEFERRED: "deferred", IN_PROBATION: "probation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When the judge looks."""

    start: datetime
    """Start of the run."""
    now_s: int
    """Seconds since then."""
    limit_s: int
    """A device that is not heard for so long is silent."""

    def seconds(self, instant: datetime) -> float:
        """Return an instant as seconds since the start."""
        return (instant - self.start).total_seconds()


def tallies(
    reach: Reach, devices: Devices, arms: Arms, progress: Progress, moment: Moment, *, names: bool = False
) -> tuple[Tally, ...]:
    """Count the devices of all open rings.

    Args:
        reach: The devices.
        devices: What they do and say.
        arms: Their pairs and scores.
        progress: The open rings.
        moment: When this is.
        names: Whether to name devices, which decides nothing.
    """
    exposed = np.flatnonzero(devices.ring >= 0)
    place = devices.ring[exposed]
    made = _count(
        _Arm(
            reach=reach,
            who=exposed,
            group=place * len(reach.strata) + reach.stratum[exposed],
            totals=devices.totals[:, exposed],
            said=devices.said[exposed],
            heard_s=devices.heard_s[exposed],
            confirmed_s=devices.confirmed_s[exposed],
        ),
        arms,
        progress.rings,
        moment,
        names=names,
    )
    kept = np.flatnonzero(arms.is_control)
    rings = len(progress.rings)
    who = np.tile(arms.control[kept], rings)
    if len(who):
        made |= _count(
            _Arm(
                reach=reach,
                who=who,
                group=np.repeat(np.arange(rings), len(kept)) * len(reach.strata) + reach.stratum[who],
                totals=np.concatenate(
                    [(devices.control_totals - arms.base(number))[:, kept] for number in range(rings)], axis=1
                ),
                said=None,
                heard_s=devices.heard_s[who],
                confirmed_s=None,
            ),
            arms,
            progress.rings,
            moment,
            names=names,
        )
    return tuple(made[key] for key in sorted(made))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    """Devices to count; `said` and `confirmed_s` are None for the control."""

    reach: Reach
    who: Ints
    group: Ints
    totals: Ints
    said: "np.ndarray[tuple[int], np.dtype[np.int8]] | None"
    heard_s: Floats
    confirmed_s: Floats | None


def _count(
    arm: _Arm, arms: Arms, rings: Sequence[OpenedRing], moment: Moment, *, names: bool
) -> dict[tuple[int, str, str], Tally]:
    reach, strata = arm.reach, len(arm.reach.strata)
    groups = len(rings) * strata
    opened = np.array([moment.seconds(ring.opened_at) for ring in rings])[arm.group // strata]
    active = ~reach.held[arm.who]
    unreachable = arm.heard_s < opened - moment.limit_s
    silent = ~unreachable & (moment.now_s - np.maximum(arm.heard_s, opened) >= moment.limit_s)
    said = np.zeros(len(arm.who), np.int8) if arm.said is None else arm.said
    reverted = said == IS_REVERTED
    confirmed = (said == IS_CONFIRMED) & active & ~unreachable & ~silent
    requests, failures = arm.totals[REQUESTS], np.minimum(arm.totals[FAILURES], arm.totals[REQUESTS])
    served = _ppm(requests - failures, requests)
    agreed = _ppm(arm.totals[AGREED], arm.totals[COMPARED])

    sized = np.bincount(arm.group, minlength=groups)
    measures: dict[str, Ints | Bools] = {
        "held": ~active,
        "unreachable": unreachable & active,
        "went_silent": silent & active,
        "reached": said != SILENT_ON_IT,
        "confirmed": confirmed,
        "reverted": reverted,
        "hard_failed": reverted,
        "serving": requests > 0,
        "requests": requests,
        "failures": failures,
        "over_budget": arm.totals[OVER],
        "served_ppm": served,
        "slow_ppm": _ppm(np.minimum(arm.totals[OVER], requests), requests),
        "comparing": arm.totals[COMPARED] > 0,
        "compared": arm.totals[COMPARED],
        "agreed": arm.totals[AGREED],
        "agreed_ppm": agreed,
        "watching": requests > 0,
        "drift_windows": requests,  # drift is taken to be within: every request a window like the reference
    }
    # Weights are floats: sums stay whole below 2^53, which no simulated fleet comes near.
    figures: dict[str, list[int]] = {
        name: np.bincount(arm.group, weights=each, minlength=groups).astype(np.int64).tolist()
        for name, each in measures.items()
    }
    size: list[int] = sized.tolist()
    figures["assigned"] = (sized - np.array(figures["held"], np.int64)).tolist()
    times = _times(arm, confirmed, moment)
    waits = active & ~unreachable & ~confirmed & ~reverted & (arm.said is not None)
    standing = np.where(silent, len(_STANDINGS), said)
    counted = arms.control_spans if arm.said is None else arms.spans
    made: dict[tuple[int, str, str], Tally] = {}
    for group in [number for number in range(groups) if size[number]]:
        place, stratum = divmod(group, strata)
        kind = "control" if arm.said is None else "exposed"
        mine = arm.group == group if names else np.zeros(0, np.bool_)
        made[place, reach.strata[stratum], kind] = Tally(
            ring=rings[place].name,
            stratum=reach.strata[stratum],
            arm="control" if arm.said is None else "exposed",
            refused=0,
            gaps=0,
            drifted_windows=0,
            drifted_ppm=0,
            budget_us=int(reach.budget_us[stratum]),
            latency=_latency(int(reach.budget_us[stratum]), figures["requests"][group], figures["over_budget"][group]),
            confirmations=times.get(group, ()),
            waiting=tuple(
                Waiting(device=reach.ids[arm.who[each]], phase=_STANDINGS.get(int(standing[each]), "gone silent"))
                for each in _first(mine, waits)
            ),
            harmed=tuple(Harm(device=reach.ids[arm.who[each]], what="probation") for each in _first(mine, reverted)),
            silent=tuple(reach.ids[arm.who[each]] for each in _first(mine, silent & active)) if names else (),
            spans=counted.spans(group),
            cloned=(),
            **{name: each[group] for name, each in figures.items()},
        )
    return made


def _first(mine: Bools, which: Bools) -> list[int]:
    return np.flatnonzero(mine & which)[:NAMED].tolist() if len(mine) else []


def _ppm(part: Ints, whole: Ints) -> Ints:
    share: Ints = part * _MILLION // np.maximum(whole, 1)
    return share


def _times(arm: _Arm, confirmed: Bools, moment: Moment) -> dict[int, tuple[Confirmations, ...]]:
    """Return when the confirmed devices of each group were heard to be so."""
    if arm.confirmed_s is None:
        return {}
    pairs = np.stack([arm.group[confirmed], arm.confirmed_s[confirmed].astype(np.int64)])
    keys, counts = np.unique(pairs[0] * (moment.now_s + 1) + pairs[1], return_counts=True)
    times: dict[int, list[Confirmations]] = {}
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        group, at_s = divmod(key, moment.now_s + 1)
        at = moment.start + timedelta(seconds=at_s)
        times.setdefault(group, []).append(Confirmations(at=at, devices=count))
    return {group: tuple(each) for group, each in times.items()}


def _latency(budget_us: int, requests: int, over: int) -> LatencySketch:
    counts: dict[int, int] = {}
    for share, count in ((FAST, requests - over), (SLOW, over)):
        if count:
            number = _bucket(budget_us, share)
            counts[number] = counts.get(number, 0) + count
    return LatencySketch(counts=MappingProxyType(counts))


@cache
def _bucket(budget_us: int, share: float) -> int:
    return bucket_of(int(budget_us * share))
