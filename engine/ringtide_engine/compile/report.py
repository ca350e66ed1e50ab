"""The report of a plan, put together from its parts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract.ids import DeviceId
from ringtide_engine.compile.dangers import dangers
from ringtide_engine.compile.file_dangers import file_dangers
from ringtide_engine.compile.memberships import memberships
from ringtide_engine.compile.omissions import omissions
from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.ring_dangers import ring_dangers
from ringtide_engine.compile.rounds import rounds
from ringtide_engine.compile.schedule import RingTimes, ring_times, ring_words
from ringtide_engine.compile.unsatisfiable import unsatisfiable
from ringtide_engine.compile.words import duration
from ringtide_engine.model.change import Weakening
from ringtide_engine.model.dangers import Danger, danger
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.plan import PlanRow
from ringtide_engine.model.plan_report import Estimate, PlanReport, RingReport
from ringtide_engine.model.policy import WaiverInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a change, whether or not it could be resolved."""

    base_files: Mapping[str, bytes] | None
    """Its base; None where nothing was there before."""
    files: Mapping[str, bytes]
    """Its files."""
    base: DesiredState | None
    """The base as far as it could be read."""
    state: DesiredState | None
    """The change as far as it could be read."""
    weakened: tuple[Weakening, ...]
    """Rules that ask for less."""
    waivers: tuple[WaiverInForce, ...]
    """Waivers in force."""
    findings: tuple[Finding, ...]
    """What `check` found."""
    rules_applied: int
    """Number of rules in force."""
    base_commit: str | None
    """Commit of the base."""
    head_commit: str | None
    """Commit of the change; None: the work tree."""


def make_report(known: Known, compared: Comparison | None, now: datetime) -> PlanReport:
    """Put the report together.

    Args:
        known: The change.
        compared: The same, resolved; None where it could not be.
        now: The present.
    """
    at = now.replace(second=0, microsecond=0)
    side = None if compared is None else compared.after.side
    state = known.state if side is None else side.state
    times: dict[str, Mapping[str, RingTimes]] = {}
    if side is not None and compared is not None:
        in_rounds = rounds(compared)
        under_way = {each.rollout.rollout for each in side.resolution.assignments if each.rollout is not None}
        times = {
            name: ring_times(side.state, side.state.rollouts[name], at, in_rounds.get(name))
            for name in sorted(under_way)
        }
    flags = [*_of_files(known), *(dangers(compared, times) if compared is not None else _of_states(known))]
    now_, later = _reached(compared)
    return PlanReport(
        plan=None if compared is None else compared.plan,
        fleet="" if state is None else state.fleet.name,
        base_commit=known.base_commit,
        head_commit=known.head_commit,
        at=at,
        devices_total=0 if state is None else sum(each.state != "retired" for each in state.devices.values()),
        devices_now=now_,
        devices_later=later,
        rings=() if compared is None or side is None else _rings(compared, side.state, times, at),
        memberships=() if compared is None else memberships(compared),
        dangers=tuple(sorted(set(flags), key=lambda each: (each.id, each.place, each.message))),
        omissions=() if compared is None else tuple(omissions(compared)),
        unsatisfiable=() if compared is None else tuple(unsatisfiable(compared, times)),
        waivers=known.waivers,
        findings=known.findings,
        rules_applied=known.rules_applied,
    )


def _of_files(known: Known) -> Iterable[Danger]:
    if known.base_files is not None:
        yield from file_dangers(known.base_files, known.files)
    for each in known.weakened:
        yield danger("RT-DANGER-002", Place(path=each.path), f"{each.rule}: {each.how}")
    for (
        found
    ) in known.findings:  # a selector without an entry is refused, and so nothing is resolved that could show it
        if found.place.path.startswith("cohorts/") and re.fullmatch(r"selector[.\w]* is empty", found.message):
            yield danger("RT-DANGER-008", found.place, f"{found.message}, so nobody can tell whom the cohort chooses")


def _of_states(known: Known) -> Iterable[Danger]:
    """Yield what needs no resolution."""
    if known.base is not None and known.state is not None:
        yield from ring_dangers(known.base, known.state)


def _reached(compared: Comparison | None) -> tuple[int, int]:
    """Count the served devices that change now, and those that change later only; held ones do neither."""
    if compared is None:
        return 0, 0
    at_once: set[DeviceId] = set()
    later: set[DeviceId] = set()
    for row in compared.rows:
        if row.cause != "no longer served":
            (at_once if row.is_now else later).update(row.all("going"))
    at_once -= compared.after.held
    return len(at_once), len(later - at_once - compared.after.held)


def _rings(
    compared: Comparison, state: DesiredState, times: Mapping[str, Mapping[str, RingTimes]], now: datetime
) -> tuple[RingReport, ...]:
    answer: list[RingReport] = []
    for going, row in zip(compared.rows, compared.plan.rows, strict=True):
        if going.rollout is None or going.ring is None:
            answer.append(_steady(state, row, now))
            continue
        rings = state.ring_plans[state.rollouts[going.rollout].ring_plan].rings
        ring = next(each for each in rings if each.name == going.ring)
        known = times[going.rollout][going.ring]
        answer.append(
            RingReport(
                row=row,
                state="open" if going.is_now else "waits",
                starts=known.starts,
                finishes=known.finishes,
                gates=ring_words(ring),
            )
        )
    return tuple(answer)


def _steady(state: DesiredState, row: PlanRow, now: datetime) -> RingReport:
    starts = Estimate(at=now, reason="with the next publication")
    finishes = Estimate(at=now, reason="with the next publication")
    if row.after is not None:
        release = state.releases.get((row.model, row.after))
        proven = timedelta(seconds=((release.probation if release else None) or state.fleet.probation).seconds)
        finishes = Estimate(at=now + proven, reason=f"probation {duration(proven)}")
    if not row.now:
        starts = finishes = Estimate(at=None, reason="nobody can take it")
    return RingReport(row=row, state="now", starts=starts, finishes=finishes, gates=())
