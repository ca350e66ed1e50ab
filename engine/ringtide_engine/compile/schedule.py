"""When the rings of a rollout can begin and be done, if nothing goes wrong and the fleet stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract.membership import EVERYBODY
from ringtide_contract.windows import Window, next_start
from ringtide_engine.compile.words import count, duration, percent
from ringtide_engine.model.desired import DesiredState, Gate, Ring, Rollout
from ringtide_engine.model.plan_report import Estimate
from ringtide_engine.model.steady_state import unfinished
from ringtide_engine.model.time_zones import TimeZones

LOOK_AHEAD = timedelta(days=14)
"""A window that does not open within this span is called closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTimes:
    """The times of one ring."""

    starts: Estimate
    """When its first device can switch."""
    finishes: Estimate
    """When its soak can be over."""
    waits: timedelta | None
    """From the ring's opening to its first window; None where no window opens, or the opening is unknown."""
    takes: timedelta | None
    """From the ring's opening to its finish."""


def ring_times(
    state: DesiredState, rollout: Rollout, now: datetime, rounds: Mapping[str, int] | None = None
) -> Mapping[str, RingTimes]:
    """Walk the rings of a rollout: the opening of the window, spread, probation and soak, one ring after the other.

    Args:
        state: The desired state.
        rollout: A rollout of it that has not finished.
        now: The present, to the minute.
        rounds: Ring to the rounds in which disruption budgets let its devices begin; one where it is not named. A
            round takes a probation, and until the next collection of reports.
    """
    placement = state.placements[rollout.placement]
    candidate = state.releases.get((placement.model, rollout.candidate))
    probation = (candidate.probation if candidate else None) or state.fleet.probation
    proven = timedelta(seconds=probation.seconds)
    progress = state.progress.get(rollout.name)
    opened = {each.name: each.opened_at for each in progress.rings} if progress else {}
    newest = next(reversed(opened), None)
    at: Estimate = _first(state, rollout, now)
    answer: dict[str, RingTimes] = {}
    for ring in state.ring_plans[rollout.ring_plan].rings:
        if ring.name in opened and ring.name != newest:
            done = Estimate(at=None, reason="it has passed")
            begun = Estimate(at=_minute(opened[ring.name]), reason="opened")
            answer[ring.name] = RingTimes(starts=begun, finishes=done, waits=None, takes=None)
            continue
        if ring.name in opened:
            at = Estimate(at=max(now, opened[ring.name]), reason="the ring is open")
        turns = ((rounds or {}).get(ring.name, 1) - 1) * (proven + state.fleet.ingest_interval)
        times = _times(ring, at, proven, turns, state.fleet.time_zones)
        answer[ring.name] = times
        at = times.finishes
        if at.at is not None:
            at = Estimate(at=at.at, reason=f"once ring {ring.name} has passed its gates")
        else:
            at = Estimate(at=None, reason=f"after ring {ring.name}, of which no finish is known")
    return answer


def gate_words(gate: Gate) -> str:
    """Write a gate for people: `updateSuccess at least 95%, over 3 devices and 50 requests`."""
    least = count(gate.min_devices)
    least += f" and {count(gate.min_requests, 'request')}" if gate.min_requests else ""
    if gate.compare == "noWorseThanControl":
        return f"{gate.metric} no worse than the control by more than {percent(gate.limit)}, over {least}"
    sense = "at most" if gate.compare == "atMost" else "at least"
    return f"{gate.metric} {sense} {percent(gate.limit)}, over {least}"


def ring_words(ring: Ring) -> tuple[str, ...]:
    """Write what must hold to leave a ring."""
    soak = f"{percent(ring.quorum)} of reachable devices confirmed, then a soak of {duration(ring.soak)}"
    return (soak, *(gate_words(gate) for gate in ring.gates))


def _first(state: DesiredState, rollout: Rollout, now: datetime) -> Estimate:
    """Return when the first ring that has not opened can open, as far as other rollouts let it."""
    others = [each for each in unfinished(state, state.placements[rollout.placement]) if each.name != rollout.name]
    if rollout.name in state.progress or not others:
        return Estimate(at=now, reason="with the next verdict")
    ahead = [each.name for each in others if each.name in state.progress or each.name < rollout.name]
    if not ahead:
        return Estimate(at=now, reason="with the next verdict")
    return Estimate(at=None, reason=f"waits for the rollout {ahead[0]} of the same placement")


def _times(ring: Ring, opens: Estimate, proven: timedelta, turns: timedelta, places: TimeZones | None) -> RingTimes:
    if opens.at is None:
        return RingTimes(starts=opens, finishes=opens, waits=None, takes=None)
    zones = sorted(set(places.zones.values())) if places is not None and ring.site_windows else ["UTC"]
    firsts = [_turn(ring.windows_in(zone), ring.spread, opens.at, 0) for zone in zones]
    lasts = [_turn(ring.windows_in(zone), ring.spread, opens.at, EVERYBODY - 1) for zone in zones]
    first = min((each for each in firsts if each is not None), default=None)
    last = max((each for each in lasts if each is not None), default=None)
    if first is None or last is None:
        closed = Estimate(at=None, reason=f"its windows do not open within {duration(LOOK_AHEAD)}")
        return RingTimes(starts=closed, finishes=closed, waits=None, takes=None)
    finish = last + turns + proven + ring.soak
    parts = [("spread", ring.spread), ("room in budgets", turns), ("probation", proven), ("soak", ring.soak)]
    made = " + ".join(f"{name} {duration(span)}" for name, span in parts if span) or "at once"
    window = "" if first == opens.at else ", when its window opens"
    return RingTimes(
        starts=Estimate(at=_minute(first), reason=f"{opens.reason}{window}"),
        finishes=Estimate(at=_minute(finish), reason=made),
        waits=first - opens.at,
        takes=finish - opens.at,
    )


def _turn(windows: tuple[Window, ...], spread: timedelta, opened: datetime, turn: int) -> datetime | None:
    """Return when a device of this turn begins, None where it does not within `LOOK_AHEAD`."""
    for now in (opened, opened + timedelta(days=7)):  # windows are looked for eight days ahead
        found = next_start(windows, opened, spread=spread, turn=turn, now=now)
        if found is not None:
            return None if found > opened + LOOK_AHEAD else found
    return None


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
