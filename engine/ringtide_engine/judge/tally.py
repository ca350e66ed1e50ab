"""Counting: accepted reports become figures per ring, stratum and arm."""

import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from ringtide_contract.canonical import MAX_INTEGER
from ringtide_contract.ids import DeviceId
from ringtide_contract.report import Counters, ModelReport
from ringtide_contract.sketch import EMPTY, LatencySketch, merge
from ringtide_engine.judge.exposure import is_control, ring_of
from ringtide_engine.judge.scores import NOTHING, Score, Totals, running_totals, scores_of, spans
from ringtide_engine.judge.words import NAMED
from ringtide_engine.model.evidence import Arm, Confirmations, Observation, Subject, Tally
from ringtide_engine.model.named import Harm, Waiting
from ringtide_engine.model.progress import OpenedRing
from ringtide_engine.model.verdict import RolloutView

SILENCE = 3
"""A device is silent after so many times `maxSilence`: one lost report, and even two, say nothing yet."""

HARD_STEPS = frozenset({"load", "golden", "crash", "probation"})
"""Failures that mean the candidate is wrong or hurts. A probe over budget harms nobody: it counts as a refusal."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One device, summed up."""

    subject: Subject
    outcome: str
    harm: str | None
    reached: bool
    unreachable: bool
    silent: bool
    gap: bool
    confirmed_at: datetime | None
    counters: tuple[Counters, ...]
    served: Totals
    scores: tuple[Score, ...]


def tally(
    view: RolloutView,
    subjects: Sequence[Subject],
    observations: Iterable[Observation],
    *,
    now: datetime,
    through: datetime | None = None,
    cloned: Container[DeviceId] = frozenset(),
) -> tuple[Tally, ...]:
    """Count what is known of a rollout.

    Args:
        view: The rollout.
        subjects: Devices that it can reach.
        observations: Accepted reports, in any order; those of other devices are passed over.
        now: The judge's present.
        through: Until when reports were collected, for silence: where nobody collects, no device can be heard. None
            where it is the present.
        cloned: Devices of which two report with one key: none of their reports is among the observations.

    Returns:
        The tallies of all open rings; none before the first ring opens.
    """
    progress = view.progress
    if progress is None:
        return ()
    known = now if through is None else min(now, through)
    heard = _by_device(observations)
    groups: dict[tuple[int, str, Arm], list[_Seen]] = defaultdict(list)
    opened = {ring.name: (place, ring) for place, ring in enumerate(progress.rings)}
    for subject in sorted(subjects, key=lambda item: item.device):
        reports = heard.get(subject.device, ())
        name = ring_of(progress, subject)
        if name is not None:
            place, ring = opened[name]
            groups[place, subject.stratum, "exposed"].append(_exposed(view, ring, subject, reports, known))
        elif is_control(progress, subject):
            for place, ring in enumerate(progress.rings):
                groups[place, subject.stratum, "control"].append(_control(view, ring, subject, reports, known))
    return tuple(
        _sum(progress.rings[place].name, stratum, arm, group, groups.get((place, stratum, "control"), ()), cloned)
        for (place, stratum, arm), group in sorted(groups.items(), key=lambda item: item[0])
    )


def _by_device(observations: Iterable[Observation]) -> Mapping[DeviceId, tuple[Observation, ...]]:
    """Order each device's reports by ingest and number; what two collectors took counts once, from the first."""
    kept: dict[DeviceId, dict[tuple[int, str, str], Observation]] = defaultdict(dict)
    for item in observations:
        mine, key = kept[item.report.device], (item.report.number, item.report.previous or "", item.report.session)
        if key not in mine or item.ingested_at < mine[key].ingested_at:
            mine[key] = item
    return {
        device: tuple(mine[key] for key in sorted(mine, key=lambda key: (mine[key].ingested_at, key)))
        for device, mine in kept.items()
    }


def _exposed(
    view: RolloutView, ring: OpenedRing, subject: Subject, reports: Sequence[Observation], known: datetime
) -> _Seen:
    parts = [(item.ingested_at, part) for item in reports if (part := item.report.models.get(view.model))]
    steps: set[str] = {
        failure.step for _, part in parts for failure in part.failures if failure.manifest == subject.manifest
    }
    counters = _latest(count for _, part in parts for count in part.counters if count.manifest == subject.manifest)
    totals = running_totals((part.counters for _, part in parts), of=subject.manifest)
    crashed = any(count.crashes for count in counters)
    silence = _silence(ring, reports, SILENCE * view.max_silence, known)
    outcome = _outcome(parts[-1][1] if parts else None, steps, subject, heard=bool(reports))
    if silence is not None and outcome not in ("reverted", "refused"):
        outcome = "gone silent"  # a confirmation counts for as long as it is re-asserted
    hard = sorted(steps & HARD_STEPS) or ([outcome] if outcome == "reverted" else []) or (["crash"] if crashed else [])
    return _Seen(
        subject=subject,
        outcome=outcome,
        harm=hard[0] if hard else None,
        reached=any(subject.manifest in (part.desired, part.active and part.active.manifest) for _, part in parts),
        unreachable=silence == "unreachable",
        silent=silence == "silent",
        gap=any(later.report.number > earlier.report.number + 1 for earlier, later in itertools.pairwise(reports)),
        confirmed_at=_confirmed_since(parts, subject) if outcome == "confirmed" else None,
        counters=counters,
        served=totals[-1] if totals else NOTHING,
        scores=scores_of(totals, view.plan.score_requests),
    )


def _control(
    view: RolloutView, ring: OpenedRing, subject: Subject, reports: Sequence[Observation], known: datetime
) -> _Seen:
    """Sum up a control device: what it served on other manifests since the ring opened.

    Where it was not heard of before, since its first report after: what that one holds may be of any age.
    """
    parts = [(item.ingested_at, part) for item in reports if (part := item.report.models.get(view.model))]
    since = max(ring.opened_at, parts[0][0]) if parts else ring.opened_at
    late = [count for _, part in parts for count in part.counters if count.manifest != subject.manifest]
    early = [
        count for at, part in parts if at <= since for count in part.counters if count.manifest != subject.manifest
    ]
    before = {(count.manifest, count.session): count for count in early}
    counters = tuple(
        _minus(count, before[key]) if (key := (count.manifest, count.session)) in before else count
        for count in _latest(late)
    )
    silence = _silence(ring, reports, SILENCE * view.max_silence, known)
    totals = running_totals((part.counters for _, part in parts), but=subject.manifest)
    opening = sum(at <= since for at, _ in parts)
    base = totals[opening - 1] if opening else NOTHING
    return _Seen(
        subject=subject,
        outcome="stable",
        harm=None,
        reached=False,
        unreachable=silence == "unreachable",
        silent=silence == "silent",
        gap=False,
        confirmed_at=None,
        counters=counters,
        served=running_totals([counters])[-1],
        scores=scores_of([total.minus(base) for total in totals[opening:]], view.plan.score_requests),
    )


def _outcome(last: ModelReport | None, steps: set[str], subject: Subject, *, heard: bool) -> str:
    """Say where the candidate stands on a device: failures stay, confirmation must be re-asserted."""
    if steps & HARD_STEPS:
        return "reverted"
    if steps:
        return "refused"
    if last is None:
        return "without the model" if heard else "never heard of"
    if last.phase == "refused":
        return "refused for now"  # without a remembered failure the candidate is not to blame: wrong bytes, no space
    if last.desired == subject.manifest and last.phase == "reverted":
        return last.phase
    if last.active is not None and last.active.manifest == subject.manifest:
        return last.phase
    return "on another release" if last.phase == "confirmed" else last.phase


def _silence(ring: OpenedRing, reports: Sequence[Observation], limit: timedelta, known: datetime) -> str | None:
    """Tell `unreachable` (silent before the ring opened, and still) from `silent` (heard of, and no more)."""
    if not reports or reports[-1].ingested_at < ring.opened_at - limit:
        return "unreachable"
    return "silent" if known - max(reports[-1].ingested_at, ring.opened_at) >= limit else None


def _confirmed_since(parts: Sequence[tuple[datetime, ModelReport]], subject: Subject) -> datetime:
    """Return the first of the newest unbroken run of reports that assert the confirmation."""
    since = parts[-1][0]
    for at, part in reversed(parts):
        if part.phase != "confirmed" or part.active is None or part.active.manifest != subject.manifest:
            break
        since = at
    return since


def _latest(counters: Iterable[Counters]) -> tuple[Counters, ...]:
    """Keep the newest counters of each session: they are cumulative, so a lost report loses nothing."""
    newest: dict[tuple[str, str], Counters] = {}
    for count in counters:
        newest[count.manifest, count.session] = count
    return tuple(newest[key] for key in sorted(newest))


def _minus(count: Counters, before: Counters) -> Counters:
    latency = {
        number: more
        for number, total in count.latency.counts.items()
        if (more := total - before.latency.counts.get(number, 0)) > 0
    }
    return replace(
        count,
        requests=max(0, count.requests - before.requests),
        failures=max(0, count.failures - before.failures),
        over_budget=max(0, count.over_budget - before.over_budget),
        compared=max(0, count.compared - before.compared),
        agreed=max(0, count.agreed - before.agreed),
        drift_windows=max(0, count.drift_windows - before.drift_windows),
        drifted_windows=max(0, count.drifted_windows - before.drifted_windows),
        latency=LatencySketch(counts=MappingProxyType(latency)),
    )


def _peak(seen: _Seen) -> int:
    return max((count.peak_memory_bytes for count in seen.counters if count.requests), default=0)


def _share_ppm(part: int, whole: int) -> int:
    return part * _MILLION // whole if whole else 0


def _total(figures: Iterable[int]) -> int:
    return min(sum(figures), MAX_INTEGER)  # a device that claims absurd figures must not stop the judge


def _latencies(sketches: Iterable[LatencySketch]) -> LatencySketch:
    merged = merge([EMPTY, *sketches])
    return LatencySketch(
        counts=MappingProxyType({bucket: min(count, MAX_INTEGER) for bucket, count in merged.counts.items()})
    )


def _sum(
    ring: str,
    stratum: str,
    arm: Arm,
    group: Sequence[_Seen],
    beside: Sequence[_Seen],
    cloned: Container[DeviceId],
) -> Tally:
    active = [seen for seen in group if not seen.subject.held]
    served = [seen.served for seen in group]
    times: dict[datetime, int] = defaultdict(int)
    for seen in active:
        if seen.confirmed_at is not None:
            times[seen.confirmed_at] += 1
    return Tally(
        ring=ring,
        stratum=stratum,
        arm=arm,
        assigned=len(active),
        held=len(group) - len(active),
        unreachable=sum(seen.unreachable for seen in active),
        went_silent=sum(seen.silent for seen in active),
        reached=sum(seen.reached for seen in group),
        confirmed=sum(seen.outcome == "confirmed" for seen in active),
        reverted=sum(seen.outcome == "reverted" for seen in group),
        refused=sum(seen.outcome == "refused" for seen in group),
        hard_failed=sum(seen.harm is not None for seen in group),
        gaps=sum(seen.gap for seen in group),
        serving=sum(each.requests > 0 for each in served),
        requests=_total(each.requests for each in served),
        failures=_total(each.failures for each in served),
        over_budget=_total(each.over_budget for each in served),
        served_ppm=sum(_share_ppm(each.requests - each.failures, each.requests) for each in served),
        slow_ppm=sum(_share_ppm(min(each.over_budget, each.requests), each.requests) for each in served),
        comparing=sum(each.compared > 0 for each in served),
        compared=_total(each.compared for each in served),
        agreed=_total(each.agreed for each in served),
        agreed_ppm=sum(_share_ppm(each.agreed, each.compared) for each in served),
        watching=sum(each.windows > 0 for each in served),
        drift_windows=_total(each.windows for each in served),
        drifted_windows=_total(each.drifted for each in served),
        drifted_ppm=sum(_share_ppm(each.drifted, each.windows) for each in served),
        over_memory=sum(_peak(seen) > seen.subject.budget_bytes for seen in group),
        peak_memory_bytes=min(max(map(_peak, group)), MAX_INTEGER),
        budget_us=group[0].subject.budget_us,
        latency=_latencies(count.latency for seen in group for count in seen.counters),
        confirmations=tuple(Confirmations(at=at, devices=times[at]) for at in sorted(times)),
        waiting=tuple(
            Waiting(device=seen.subject.device, phase=seen.outcome)
            for seen in active
            if not seen.unreachable and seen.outcome not in ("confirmed", "reverted", "refused", "stable")
        )[:NAMED],
        harmed=tuple(Harm(device=seen.subject.device, what=seen.harm) for seen in group if seen.harm is not None)[
            :NAMED
        ],
        silent=tuple(seen.subject.device for seen in active if seen.silent)[:NAMED],
        cloned=tuple(seen.subject.device for seen in group if seen.subject.device in cloned)[:NAMED],
        spans=spans(_in_order(group), _in_order(beside, last_first=True) if arm == "exposed" else ()),
    )


def _in_order(group: Sequence[_Seen], *, last_first: bool = False) -> list[tuple[Score, ...]]:
    """Return the scores of devices by bucket, which is chance, and differs from rollout to rollout."""
    ordered = sorted(group, key=lambda seen: (seen.subject.bucket, seen.subject.device), reverse=last_first)
    return [seen.scores for seen in ordered]
