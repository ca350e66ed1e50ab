"""Gates: pass, fail or insufficient evidence, with the numbers.

Requests do not vote, devices do: a share of requests is decided only where the requests together and the mean over
devices agree, so that neither one busy device nor one that answered twice decides for all.

What is observed suffices to pass a gate whose assurance is `observed`. To fail, a miss must be shown as for `proven`,
wherever a ring has devices enough to show it: a gate is looked at often, and chance misses any limit sooner or later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ringtide_engine.judge.bound import CONFIDENCE, upper_bound_permille
from ringtide_engine.judge.proof import prove, shows_a_miss, shows_worse
from ringtide_engine.judge.words import devices, named, percent
from ringtide_engine.model.desired import Gate
from ringtide_engine.model.evidence import Tally
from ringtide_engine.model.proving import SLOW_SHARE
from ringtide_engine.model.verdict import Answer, GateResult

FEW = 10
"""Fewer devices can hardly show anything: there a missed limit, or one hard failure, is enough."""

_P95 = 0.95
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """What a metric measured: every value must keep the limit to pass, and miss it to fail."""

    values: tuple[Fraction, ...]
    devices: int
    requests: int
    failed: int
    text: str


def evaluate(gate: Gate, ring: str, exposed: Sequence[Tally], control: Sequence[Tally]) -> GateResult:
    """Answer one gate.

    Args:
        gate: The gate.
        ring: Ring that it belongs to.
        exposed: Tallies that the ring is judged by.
        control: Tallies of the control since the ring opened.
    """
    if gate.assurance == "proven":
        return prove(gate, ring, exposed)
    measure = _measure(gate, exposed)
    lacking = _lacking(gate, measure)
    if lacking:
        return _result(gate, ring, "insufficient evidence", lacking)
    if gate.compare == "noWorseThanControl":
        return _against_control(gate, ring, exposed, control)
    good = [_keeps(gate, value) for value in measure.values]
    figures = "" if len(set(measure.values)) == 1 else f" (mean over devices {percent(measure.values[-1])})"
    sign = "≤" if gate.compare == "atMost" else "≥"
    text = f"{measure.text} = {percent(measure.values[0])}{figures}, limit {sign} {percent(gate.limit)}"
    if gate.metric == "p95Latency" and all(good) and gate.limit <= 1:
        good.append(_slow(exposed) <= SLOW_SHARE)
    if all(good):
        return _result(gate, ring, "pass", f"{text}; {_bound(measure)}")
    if not any(good):
        if not _is_small(exposed) and not shows_a_miss(gate, exposed):
            text = f"{text}; missed, but not beyond chance (alpha {percent(gate.alpha)})"
            return _result(gate, ring, "insufficient evidence", text)
        return _result(gate, ring, "fail", text)
    text = f"{text}; a few devices outweigh the others, so neither is shown"
    return _result(gate, ring, "insufficient evidence", text)


def _lacking(gate: Gate, measure: _Measure) -> str | None:
    """Return what is too little evidence, or None where it is enough."""
    needed = max(1, gate.min_devices)
    if measure.devices < needed:
        return f"{measure.text}: evidence from {devices(measure.devices)}, {needed} needed"
    if measure.requests < gate.min_requests:
        return f"{measure.text}: {measure.requests} requests, {gate.min_requests} needed"
    return None


def _measure(gate: Gate, tallies: Sequence[Tally]) -> _Measure:
    """Measure a metric; without a device there are no values."""
    match gate.metric:
        case "updateSuccess":
            confirmed, decided = _sum(tallies, "confirmed"), sum(tally.decided for tally in tallies)
            return _Measure(
                values=(Fraction(confirmed, decided),) if decided else (),
                devices=decided,
                requests=_sum(tallies, "requests"),
                failed=decided - confirmed,
                text=f"confirmed {confirmed} of {devices(decided)} decided",
            )
        case "wentSilent":
            silent, reachable = _sum(tallies, "went_silent"), sum(tally.reachable for tally in tallies)
            return _Measure(
                values=(Fraction(silent, reachable),) if reachable else (),
                devices=reachable,
                requests=_sum(tallies, "requests"),
                failed=silent,
                text=f"silent {silent} of {devices(reachable)} reachable",
            )
        case "inferenceSuccess":
            requests, serving = _sum(tallies, "requests"), _sum(tallies, "serving")
            good = requests - _sum(tallies, "failures")
            return _Measure(
                values=_both(good, requests, _sum(tallies, "served_ppm"), serving),
                devices=serving,
                requests=requests,
                failed=0,
                text=f"answered {good} of {requests} requests on {devices(serving)}",
            )
        case "peakMemory":
            serving, over = _sum(tallies, "serving"), _sum(tallies, "over_memory")
            return _Measure(
                values=(Fraction(over, serving),) if serving else (),
                devices=serving,
                requests=_sum(tallies, "requests"),
                failed=over,
                text=f"over the memory budget {over} of {devices(serving)} serving",
            )
        case "agreementWithStable":
            compared, comparing, agreed = (_sum(tallies, name) for name in ("compared", "comparing", "agreed"))
            return _Measure(
                values=_both(agreed, compared, _sum(tallies, "agreed_ppm"), comparing),
                devices=comparing,
                requests=compared,
                failed=0,
                text=f"agreed on {agreed} of {compared} compared requests on {devices(comparing)}",
            )
        case "drift":
            windows, watching, drifted = (
                _sum(tallies, name) for name in ("drift_windows", "watching", "drifted_windows")
            )
            return _Measure(
                values=_both(drifted, windows, _sum(tallies, "drifted_ppm"), watching),
                devices=watching,
                requests=_sum(tallies, "requests"),
                failed=0,
                text=f"unlike the drift reference {drifted} of {windows} windows on {devices(watching)}",
            )
        case "p95Latency":
            shares = [share for tally in tallies if (share := _p95_share(tally)) is not None]
            return _Measure(
                values=(max(shares),) if shares else (),
                devices=_sum(tallies, "serving") if shares else 0,
                requests=sum(tally.latency.total for tally in tallies),
                failed=0,
                text="95th percentile of latency as a share of the budget, in the slowest stratum",
            )


def _against_control(gate: Gate, ring: str, exposed: Sequence[Tally], control: Sequence[Tally]) -> GateResult:
    """Compare with the control, stratum by stratum, so that a different mix of devices cannot pass for a change.

    What has no control beside it is shown by nothing: it is not counted, and the gate does not pass without it.
    """
    able = [each for each in control if each.serving and each.requests >= max(1, gate.min_requests)]
    beside = {tally.stratum: tally for tally in able}
    pairs = [
        (each, beside[each.stratum]) for each in exposed if each.stratum in beside and each.serving * each.requests
    ]
    lacking = _lacking(gate, _measure(gate, [one for one, _ in pairs])) if pairs else None
    if lacking:
        return _result(gate, ring, "insufficient evidence", f"{lacking}, in strata with a control")
    paired = {one.stratum for one, _ in pairs}
    alone = sorted({tally.stratum for tally in exposed if tally.requests} - paired)
    if gate.metric == "p95Latency":
        shares = [
            (ours, theirs)
            for one, other in pairs
            if (ours := _p95_share(one)) is not None and (theirs := _p95_share(other)) is not None
        ]
        if shares:
            ours, theirs = max(shares, key=lambda pair: pair[0] - pair[1])
            slow, slow_beside = _slow([one for one, _ in pairs]), _slow([other for _, other in pairs])
            kept = ours <= theirs + gate.limit
            good = [kept, kept and slow <= slow_beside + gate.limit]
            text = f"95th percentile {percent(ours)} of the budget, control {percent(theirs)}"
            text = f"{text}, margin {percent(gate.limit)}, in the worst stratum"
            return _compared(gate, ring, good, text, alone, exposed)
    elif gate.metric == "inferenceSuccess" and pairs:
        ours, theirs = _beside([(one.requests, _answered(one), _answered(other)) for one, other in pairs])
        mean, mean_beside = _beside([(one.serving, _mean(one), _mean(other)) for one, other in pairs])
        slack = gate.limit + Fraction(1, _MILLION)  # shares are cut to millionths
        good = [ours >= theirs - gate.limit, mean >= mean_beside - slack]
        text = f"answered {percent(ours)} of requests, control {percent(theirs)}, margin {percent(gate.limit)}"
        return _compared(gate, ring, good, f"{text}, weighted by stratum", alone, exposed)
    text = f"no stratum has a control with {max(1, gate.min_requests)} requests since the ring opened"
    if gate.metric not in ("p95Latency", "inferenceSuccess"):
        text = "the control has no figure to compare with; use atLeast or atMost"
    return _result(gate, ring, "insufficient evidence", text)


def _compared(
    gate: Gate, ring: str, good: Sequence[bool], text: str, alone: Sequence[str], exposed: Sequence[Tally]
) -> GateResult:
    """Answer a comparison; a stratum without a control cannot take a failure of the others away, nor share a pass.

    Args:
        gate: The gate.
        ring: Ring that it belongs to.
        good: Whether the margin is kept: by requests, and by devices.
        text: The figures.
        alone: Strata without a control.
        exposed: Tallies that the ring is judged by.
    """
    answer: Answer = "pass"
    if not any(good) and _is_small(exposed):
        answer = "fail"
    elif not all(good):
        beyond = not _is_small(exposed) and shows_worse(gate, exposed)
        answer = "fail" if beyond else "insufficient evidence"
        uneven = "; a few devices outweigh the others" if any(good) else ""
        text += uneven if beyond else f"{uneven}; worse, but not beyond chance (alpha {percent(gate.alpha)})"
    elif alone:
        answer, text = "insufficient evidence", f"{text}; no control with evidence in {named(alone, len(alone))}"
    return _result(gate, ring, answer, text)


def _beside(parts: Sequence[tuple[int, Fraction, Fraction]]) -> tuple[Fraction, Fraction]:
    """Return two averages over strata, both weighted by the first figure."""
    whole = sum(weight for weight, _, _ in parts)
    ours = sum((weight * one for weight, one, _ in parts), Fraction(0)) / whole
    return ours, sum((weight * other for weight, _, other in parts), Fraction(0)) / whole


def _answered(tally: Tally) -> Fraction:
    return Fraction(tally.requests - tally.failures, tally.requests)


def _mean(tally: Tally) -> Fraction:
    return Fraction(tally.served_ppm, _MILLION * tally.serving)


def _slow(tallies: Sequence[Tally]) -> Fraction:
    """Return the share of requests over the budget, each serving device with one voice."""
    serving = _sum(tallies, "serving")
    return Fraction(_sum(tallies, "slow_ppm"), _MILLION * serving) if serving else Fraction(0)


def _is_small(exposed: Sequence[Tally]) -> bool:
    return sum(tally.assigned + tally.held for tally in exposed) < FEW


def _both(part: int, whole: int, ppm: int, count: int) -> tuple[Fraction, ...]:
    if not whole or not count:
        return ()
    pooled, mean = Fraction(part, whole), Fraction(ppm, _MILLION * count)
    # A mean of shares cut to millionths lies below the pooled share by less than a millionth where all are alike.
    return (pooled, pooled if abs(pooled - mean) < Fraction(1, _MILLION) else mean)


def _p95_share(tally: Tally) -> Fraction | None:
    quantile = tally.latency.quantile_us(_P95)
    return None if quantile is None else Fraction(quantile, tally.budget_us)


def _keeps(gate: Gate, value: Fraction) -> bool:
    return value <= gate.limit if gate.compare == "atMost" else value >= gate.limit


def _bound(measure: _Measure) -> str:
    bound = upper_bound_permille(measure.failed, measure.devices)
    if bound is None:
        return f"{measure.devices} devices prove what they show"
    return f"proves with {CONFIDENCE} confidence that a fault hits at most {percent(Fraction(bound, 1000))} of devices"


def _sum(tallies: Sequence[Tally], name: str) -> int:
    return sum(int(getattr(tally, name)) for tally in tallies)


def _result(gate: Gate, ring: str, answer: Answer, text: str) -> GateResult:
    return GateResult(ring=ring, metric=gate.metric, answer=answer, text=text)
