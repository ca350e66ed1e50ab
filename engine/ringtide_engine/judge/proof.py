"""Proven gates: pass where the candidate is shown to keep the limit, fail where it is shown to miss it.

Both answers are wrong with a chance of at most the gate's `alpha`, each, over the whole life of the rollout, however
often it is judged; `model/betting.py` has the mathematics and the papers. Devices are the unit. What a device does is
scored span by span (`judge/scores.py`); for updateSuccess and peakMemory it has one score, 0 or 1. Silence cannot be proven: who is silent now may speak again.

To fail, wealth is spread over the ring as a whole and each of its strata, so that a fault of one kind of device is not
drowned by the others, and over the spans, most on the first, so that a fault that comes late is found late. To pass,
the ring as a whole must be shown to keep the limit in the first span.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from ringtide_engine.judge.words import devices, percent
from ringtide_engine.model.betting import (
    Scores,
    devices_needed,
    log_shared,
    log_wealth_above,
    log_wealth_below,
    log_wealth_coin,
    pairs_needed,
    refuted,
)
from ringtide_engine.model.desired import Gate
from ringtide_engine.model.evidence import Tally
from ringtide_engine.model.proving import fault_limit, why_unprovable
from ringtide_engine.model.spans import MAX_SPANS, Span
from ringtide_engine.model.verdict import Answer, GateResult

_MILLION = 1_000_000


def prove(gate: Gate, ring: str, exposed: Sequence[Tally]) -> GateResult:
    """Answer a gate whose assurance is `proven`.

    Args:
        gate: The gate.
        ring: Ring that it belongs to.
        exposed: Tallies that the ring is judged by.
    """
    unprovable = why_unprovable(gate)
    if unprovable is not None:
        return GateResult(ring=ring, metric=gate.metric, answer="insufficient evidence", text=unprovable)
    compared = gate.compare == "noWorseThanControl"
    answer, text = _against_control(gate, exposed) if compared else _against_limit(gate, exposed)
    return GateResult(ring=ring, metric=gate.metric, answer=answer, text=f"{text} (alpha {percent(gate.alpha)})")


def shows_a_miss(gate: Gate, exposed: Sequence[Tally]) -> bool:
    """Tell whether devices show beyond chance that they miss the gate's limit; True where nothing ever could."""
    if why_unprovable(gate) is not None:
        return True
    groups = [_spans_of(gate, tally) for tally in exposed]
    bad = _log_wealth_of_a_miss(gate, groups)
    return refuted(bad, float(gate.alpha)) and _are_several(_added(groups), fault_limit(gate))


def shows_worse(gate: Gate, exposed: Sequence[Tally]) -> bool:
    """Tell whether devices fare worse than their pairs beyond chance."""
    groups = [[_pairs_of(gate, span) for span in tally.spans] for tally in exposed]
    return refuted(_log_wealth_of_worse(gate, groups), float(gate.alpha))


def _against_limit(gate: Gate, exposed: Sequence[Tally]) -> tuple[Answer, str]:
    limit, alpha = float(fault_limit(gate)), float(gate.alpha)
    groups = [_spans_of(gate, tally) for tally in exposed]
    whole = _added(groups)
    if not whole or not whole[0]:
        return "insufficient evidence", f"{_FAULTS[gate.metric]}: no device can be scored yet"
    seen, mean = sum(whole[0].values()), _mean(whole[0])
    figures = (
        f"{_FAULTS[gate.metric]} on average {percent(mean)} over {devices(seen)}, limit {percent(fault_limit(gate))}"
    )
    bad = _log_wealth_of_a_miss(gate, groups)
    if refuted(bad, alpha) and _are_several(whole, fault_limit(gate)):
        return "fail", f"{figures}: shown to miss it, {_odds(bad)}"
    good = log_wealth_below(whole[0], limit)
    if refuted(good, alpha) and seen >= gate.min_devices:
        return "pass", f"{figures}: shown to keep it, {_odds(good)}"
    needed = max(gate.min_devices, devices_needed(limit, alpha))
    return (
        "insufficient evidence",
        f"{figures}: not shown either way, {_odds(good)}; {needed} devices without a fault show it",
    )


def _log_wealth_of_a_miss(gate: Gate, groups: Sequence[Sequence[Scores]]) -> float:
    limit, views = float(fault_limit(gate)), _views(_added(groups), groups)
    return log_shared([_over_spans(spans, lambda scores: log_wealth_above(scores, limit)) for spans in views])


def _are_several(spans: Sequence[Scores], limit: Fraction) -> bool:
    """Tell whether two devices miss the limit: against a small one a single score of a broken device is a fortune."""
    return any(sum(count for score, count in span.items() if score > limit * _MILLION) >= 2 for span in spans)


def _against_control(gate: Gate, exposed: Sequence[Tally]) -> tuple[Answer, str]:
    margin, alpha = int(gate.limit * _MILLION), float(gate.alpha)
    groups = [[_pairs_of(gate, span) for span in tally.spans] for tally in exposed]
    whole = _added(groups)
    if not whole or not whole[0]:
        nobody = "no exposed device has a pair in the control that can be scored yet"
        return "insufficient evidence", f"{_FAULTS[gate.metric]}: {nobody}"
    worse, better = _tossed(whole[0], margin)
    figures = (
        f"{_FAULTS[gate.metric]}: worse than its pair in the control by more than {percent(gate.limit)} on {worse}"
    )
    figures = f"{figures} of {worse + better} devices"
    bad = _log_wealth_of_worse(gate, groups)
    if refuted(bad, alpha):
        return "fail", f"{figures}: no chance, {_odds(bad)}"
    good = log_wealth_coin(better, worse)
    if refuted(good, alpha) and worse + better >= gate.min_devices:
        return "pass", f"{figures}: shown to be no worse, {_odds(good)}"
    needed = max(gate.min_devices, pairs_needed(alpha))
    return (
        "insufficient evidence",
        f"{figures}: not shown either way, {_odds(good)}; {needed} pairs of one mind show it",
    )


def _log_wealth_of_worse(gate: Gate, groups: Sequence[Sequence[Mapping[int, int]]]) -> float:
    margin, views = int(gate.limit * _MILLION), _views(_added(groups), groups)
    return log_shared([_over_spans(spans, lambda pairs: log_wealth_coin(*_tossed(pairs, margin))) for spans in views])


_FAULTS = {
    "updateSuccess": "devices not confirmed",
    "wentSilent": "devices gone silent",
    "peakMemory": "devices over the memory budget",
    "inferenceSuccess": "failed requests",
    "p95Latency": "requests over the latency budget",
    "agreementWithStable": "answers other than the stable release's",
    "drift": "windows unlike the drift reference",
}


def _spans_of(gate: Gate, tally: Tally) -> list[Scores]:
    match gate.metric:
        case "updateSuccess":
            return [_zero_one(tally.decided - tally.confirmed, tally.decided)]
        case "wentSilent":
            return []
        case "peakMemory":
            return [_zero_one(tally.over_memory, tally.serving)]
        case "inferenceSuccess":
            return [span.failed for span in tally.spans]
        case "p95Latency":
            return [span.slow for span in tally.spans]
        case "agreementWithStable":
            return [span.disagreed for span in tally.spans]
        case "drift":
            return [span.drifted for span in tally.spans]


def _pairs_of(gate: Gate, span: Span) -> Mapping[int, int]:
    return span.slow_pairs if gate.metric == "p95Latency" else span.failed_pairs


def _zero_one(failed: int, of: int) -> Scores:
    return {score: count for score, count in ((0, of - failed), (_MILLION, failed)) if count}


def _added(groups: Sequence[Sequence[Mapping[int, int]]]) -> list[Mapping[int, int]]:
    total: list[dict[int, int]] = [{} for _ in range(max(map(len, groups), default=0))]
    for group in groups:
        for place, counts in enumerate(group):
            for score, count in counts.items():
                total[place][score] = total[place].get(score, 0) + count
    return list(total)


def _views(
    whole: Sequence[Mapping[int, int]], groups: Sequence[Sequence[Mapping[int, int]]]
) -> list[Sequence[Mapping[int, int]]]:
    """Return the ring as a whole, as often as it has strata, and each stratum: half the wealth goes to the whole."""
    return [whole] if len(groups) < 2 else [*[whole] * len(groups), *groups]


def _over_spans(spans: Sequence[Mapping[int, int]], wealth: Callable[[Mapping[int, int]], float]) -> float:
    """Return the wealth of one who put half on the first span, and the rest on the others as they come."""
    first, *later = [wealth(scores) if scores else 0.0 for scores in spans] or [0.0]
    later += [0.0] * (MAX_SPANS - 1 - len(later))
    return log_shared([first, log_shared(later)])


def _tossed(pairs: Mapping[int, int], margin: int) -> tuple[int, int]:
    """Return the pairs in which the exposed device is worse by more than the margin, and by less; ties say nothing."""
    return (
        sum(count for difference, count in pairs.items() if difference > margin),
        sum(count for difference, count in pairs.items() if difference < margin),
    )


def _mean(scores: Scores) -> Fraction:
    return Fraction(sum(score * count for score, count in scores.items()), _MILLION * sum(scores.values()))


def _odds(log_wealth: float) -> str:
    """Write a wealth as odds; a few digits, since machines may differ in the last ones of a logarithm."""
    if log_wealth <= 0:
        return "odds below 1 to 1"
    power = log_wealth / math.log(10)
    return f"odds {math.exp(log_wealth):.3g} to 1" if power < 6 else f"odds above 10^{int(power)} to 1"
