"""Disruption budgets: a ring that is open lets devices begin one by one, as their groups have room.

A device knows by the cut in its class file whether it may begin; the label of a budget makes classes, so that each group
has cuts of its own. A device that was let begin takes its room until a report of it says that it has settled: reports
that are late or lost, and devices that vanish, keep room taken and never free it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.membership import EVERYBODY, NOBODY, Cut
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.words import devices as counted
from ringtide_engine.judge.words import named
from ringtide_engine.model.budgets import Candidate, DisruptionBudget, groups_of
from ringtide_engine.model.desired import Device
from ringtide_engine.model.evidence import Observation
from ringtide_engine.model.progress import OpenedRing, Progress
from ringtide_engine.model.selection import labels_of
from ringtide_engine.model.verdict import Reason, RolloutView

Asked = Mapping[DeviceId, Mapping[str, Digest | None]]
"""Device to model to the manifest that it shall run; None: the model is not installed."""


def taken(
    devices: Mapping[DeviceId, Device],
    budgets: Sequence[DisruptionBudget],
    asked: Asked,
    observations: Iterable[Observation],
    *,
    known: datetime,
    silence: timedelta,
) -> Mapping[str, int]:
    """Return how many devices of each group are unavailable; groups without any are left out.

    Args:
        devices: Devices that are not retired.
        budgets: The fleet's budgets.
        asked: What the devices in a group shall run by now.
        observations: Accepted reports, in any order.
        known: Until when reports were collected, and not beyond the present.
        silence: A device that was not heard of for so long is unavailable.
    """
    newest: dict[DeviceId, Observation] = {}
    for item in observations:
        last = newest.get(item.report.device)
        if last is None or (last.ingested_at, last.report.number) < (item.ingested_at, item.report.number):
            newest[item.report.device] = item
    counts: dict[str, int] = defaultdict(int)
    for name, models in asked.items():
        device, last = devices[name], newest.get(name)
        heard = last is not None and known - last.ingested_at < silence
        said = last.report.models if last is not None else {}
        settled = device.state == "held" or all(_has_settled(said.get(model), models[model]) for model in models)
        if not (heard and settled):
            for group in groups_of(labels_of(device), budgets):
                counts[group] += 1
    return {group: counts[group] for group in sorted(counts)}


def _has_settled(part: ModelReport | None, asked: Digest | None) -> bool:
    """Tell whether a device serves what is asked of it, or has tried that in vain and serves another."""
    if asked is None:
        return part is None or part.active is None
    if part is None or part.active is None:
        return False
    if part.active.manifest == asked:
        return part.phase == "confirmed"
    return part.phase in ("reverted", "refused") and any(failure.manifest == asked for failure in part.failures)


def admit(view: RolloutView, rings: Sequence[OpenedRing], occupied: Mapping[str, int]) -> Mapping[str, Cut] | None:
    """Return the cells of the newest ring once as many devices as have room were let begin; None without budgets.

    In the order of buckets. Devices of one unit begin together or not at all.

    Args:
        view: The rollout.
        rings: Its open rings.
        occupied: From `taken`.
    """
    newest = rings[-1]
    if newest.admitted is None:  # what was opened without a budget cannot be taken back by one
        return None
    room = {group: most - occupied.get(group, 0) for group, most in view.budgets.items()}
    cells = dict(newest.admitted)
    full: set[str] = set()
    waiting = sorted(waiting_in(view, rings), key=lambda each: (each.bucket, each.cell))
    for (bucket, cell), members in groupby(waiting, key=lambda each: (each.bucket, each.cell)):
        together = list(members)
        needed = sum(not each.held for each in together)
        groups = together[0].groups
        if cell in full or any(room[group] < needed for group in groups):
            full.add(cell)  # the cell's border is one cut: nobody overtakes
            continue
        for group in groups:
            room[group] -= needed
        cells[cell] = Cut(bucket + 1)
    return {cell: cells[cell] for cell in sorted(cells)}


def waiting_in(view: RolloutView, rings: Sequence[OpenedRing]) -> tuple[Candidate, ...]:
    """Return the devices that the newest ring reaches and no ring has let begin."""
    if not rings or rings[-1].admitted is None:
        return ()
    return tuple(
        each
        for each in view.candidates
        if _reaches(rings[-1], each) and not any(_has_admitted(ring, each) for ring in rings)
    )


def newly_taken(view: RolloutView, before: Progress | None, after: Progress) -> Mapping[str, int]:
    """Return how many devices of each group a verdict lets begin."""
    old = before.rings if before else ()
    counts: dict[str, int] = defaultdict(int)
    for each in view.candidates:
        if each.held or any(_has_admitted(ring, each) for ring in old):
            continue
        if any(_has_admitted(ring, each) for ring in after.rings):
            for group in each.groups:
                counts[group] += 1
    return counts


def more(view: RolloutView, occupied: Mapping[str, int], now: datetime) -> Mapping[str, Cut] | None:
    """Return the cells of the newest ring where more devices may begin; None where none may.

    People who pause a rollout or freeze the fleet stop this too.
    """
    rings = view.progress.rings if view.progress else ()
    if not rings or view.rollout.paused is not None or any(each.covers(now) for each in view.freezes):
        return None
    cells = admit(view, rings, occupied)
    return None if cells == rings[-1].admitted else cells


def admitted(progress: Progress, cells: Mapping[str, Cut]) -> Reason:
    """Return the sentence of a verdict that lets more devices begin."""
    ring = progress.rings[-1]
    old = ring.admitted or {}
    moved = [cell for cell in cells if cells[cell] != old.get(cell)]
    text = f"ring {ring.name}: more devices begin, as budgets have room again: {named(moved, len(moved))}"
    return Reason(code="admitted", subject=ring.name, text=text)


def held_by_budgets(view: RolloutView, occupied: Mapping[str, int]) -> tuple[Reason, ...]:
    """Return for the newest ring which groups have no room for devices that it reaches."""
    rings = view.progress.rings if view.progress else ()
    waiting = waiting_in(view, rings)
    if not waiting:
        return ()
    groups = sorted({group for each in waiting for group in each.groups})
    full = [group for group in groups if occupied.get(group, 0) >= view.budgets[group]] or groups
    said = [f"{group} ({occupied.get(group, 0)} of {view.budgets[group]} unavailable)" for group in full]
    wait = f"{counted(len(waiting))} wait{'s' * (len(waiting) == 1)} for room in budgets"
    text = f"ring {rings[-1].name}: {wait}: {named(said, len(said))}"
    return (Reason(code="budget", subject=rings[-1].name, text=text),)


def _reaches(ring: OpenedRing, each: Candidate) -> bool:
    inside = ring.cohort is None or ring.cohort in each.cohorts
    return inside and each.bucket < ring.cuts.get(each.stratum, NOBODY if ring.cohort is None else EVERYBODY)


def _has_admitted(ring: OpenedRing, each: Candidate) -> bool:
    return _reaches(ring, each) and (ring.admitted is None or each.bucket < ring.admitted.get(each.cell, NOBODY))
