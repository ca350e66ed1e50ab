"""Ring plans: rings, windows and gates."""

from fractions import Fraction
from typing import Any

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name
from ringtide_contract.windows import Window
from ringtide_engine.load import units
from ringtide_engine.load.cron import weekly
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.model.desired import Gate, Ring, RingPlan
from ringtide_engine.model.people import ApprovalNeed
from ringtide_engine.model.time_zones import SITE_ZONE, SiteWindow

MAX_CONTROL_PERCENT = 50
"""A larger control would leave less than half of the fleet to learn from."""

MAX_LATENCY_PERCENT = 1000
"""A p95 of ten times its budget is not a limit any more."""

SILENCE_GATE = Gate(
    metric="wentSilent", compare="atMost", limit=Fraction(1, 10), assurance="observed", min_devices=1, min_requests=0
)
"""Devices that fall silent after exposure always count: this gate is added where no other on silence is written."""


def ring_plan(path: str, at: Cursor) -> RingPlan:
    """Read a ring plan.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return RingPlan(
        path=path,
        name=at.read("name", parse_name),
        unit=at.get("unit", "device"),
        control=at.read("control", units.share(MAX_CONTROL_PERCENT), "5%"),
        hard_failures=at.read("hardFailures", units.share(), "0.5%"),
        score_requests=at.get("scoreRequests", 100),
        rings=tuple(_ring(each) for each in at.child("rings").items()),
        owner=at.get("owner"),
    )


def _ring(at: Cursor) -> Ring:
    gates = tuple(_gate(each) for each in at.child("gates").items())
    silence = () if any(gate.metric == "wentSilent" for gate in gates) else (SILENCE_GATE,)
    windows = [window for each in at.child("windows").items() for window in _windows(each)]
    return Ring(
        name=at.read("name", parse_name),
        share=at.read("share", units.share()) if at.get("share") is not None else None,
        cohort=at.get("cohort"),
        minimum_per_stratum=at.get("minimumPerStratum", 1),
        soak=at.read("soak", units.duration),
        deadline=at.read("deadline", units.positive_duration),
        quorum=at.read("quorum", units.share(), "90%"),
        spread=at.read("spread", units.duration, "0s"),
        windows=tuple(each for each in windows if isinstance(each, Window)),
        site_windows=tuple(each for each in windows if isinstance(each, SiteWindow)),
        gates=(*gates, *silence),
        approval=_approval(at.child("approval")),
    )


def _windows(at: Cursor) -> list[Window | SiteWindow]:
    weekdays, cron = [at.get(key) is not None for key in ("days", "from", "to")], at.get("cron") is not None
    if all(weekdays) == cron or any(weekdays) == cron or (at.get("duration") is not None) != cron:
        raise MisfitError(at.pointer, "a window has either `days`, `from` and `to`, or `cron` and `duration`")
    written: tuple[tuple[frozenset[str], str, str], ...] = (
        (frozenset(at.get("days", ())), at.get("from"), at.get("to")),
    )
    if cron:
        length = at.read("duration", units.positive_duration)
        written = at.read("cron", lambda text: weekly(text, length))
    zone = at.get("zone")
    if zone == SITE_ZONE:
        return [SiteWindow(days=days, start=start, end=end) for days, start, end in written]

    def made(_: object) -> list[Window | SiteWindow]:
        return [Window(days=days, start=start, end=end, zone=zone) for days, start, end in written]

    return at.parse(made)


def _approval(at: Cursor) -> ApprovalNeed | None:
    if at.value is None:
        return None
    return ApprovalNeed(approvers=tuple(at.get("from", ())), least=at.get("least", 1))


def _gate(at: Cursor) -> Gate:
    most = MAX_LATENCY_PERCENT if at.get("metric") == "p95Latency" else 100
    return Gate(
        metric=at.get("metric"),
        compare=at.get("compare"),
        limit=at.read("limit", units.share(most)),
        assurance=at.get("assurance", "observed"),
        min_devices=at.get("minDevices", 1),
        min_requests=at.get("minRequests", 0),
        alpha=at.read("alpha", _chance, "1%"),
    )


def _chance(value: Any) -> Fraction:
    chance = units.share()(value)
    if not 0 < chance < 1:
        raise InputError(f"{value} is no chance of a wrong answer: above 0% and below 100%")
    return chance
