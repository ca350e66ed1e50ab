"""Dangers that only the resolved change shows: who is reached without rings, twice, or not any more."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from ringtide_engine.compile.memberships import is_in
from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.release_dangers import release_dangers
from ringtide_engine.compile.ring_dangers import ring_dangers
from ringtide_engine.compile.schedule import LOOK_AHEAD, RingTimes
from ringtide_engine.compile.steps import Step, at, steps
from ringtide_engine.compile.words import count, duration, percent
from ringtide_engine.model.dangers import Danger, danger
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan_report import LARGE_PART

Times = Mapping[str, Mapping[str, RingTimes]]
"""Rollout to ring to times."""


def dangers(compared: Comparison, times: Times) -> Iterator[Danger]:
    """Yield the danger flags of a change that could be resolved.

    Args:
        compared: The change.
        times: Of the rollouts under way.
    """
    after, before = compared.after.side, compared.before.side
    if after is None:
        return
    made = tuple(steps(None if before is None else before.state, after.state, after.resolution))
    yield from release_dangers(None if before is None else before.state, after.state, made)
    yield from _windows(after.state, times)
    yield from _overlaps(compared)
    if before is not None:
        yield from ring_dangers(before.state, after.state)
        yield from _without_rings(compared, made)
        yield from _empty_cohorts(compared)
        yield from _lost(compared)
        yield from _vanished(before.state, after.state)


def _without_rings(compared: Comparison, made: tuple[Step, ...]) -> Iterator[Danger]:
    """Yield placements whose edit reaches devices at once; folding a completed rollout changes nobody."""
    moved = {row.cause: row for row in compared.rows if row.ring is None}
    for step in made:
        row = moved.get(step.what)
        if step.rollout is None and step.new is not None and row is not None and step.what.startswith("placement "):
            devices = len(row.all("going")) + len(row.all("banned"))
            message = f"{step.what} brings {step.model} {step.new} to {count(devices)} at once, without a ring"
            yield danger("RT-DANGER-003", step.place, message)


def _windows(state: DesiredState, times: Times) -> Iterator[Danger]:
    for name, rings in times.items():
        rollout = state.rollouts[name]
        plan = state.ring_plans[rollout.ring_plan]
        for number, ring in enumerate(plan.rings):
            known = rings[ring.name]
            place = at(state, plan.path, f"/rings/{number}/windows")
            if known.waits is not None and known.waits > ring.deadline:
                message = (
                    f"{name}, ring {ring.name}: the window opens {duration(known.waits)} after the ring, "
                    f"whose deadline is {duration(ring.deadline)}"
                )
                yield danger("RT-DANGER-013", place, message)
            elif (
                (ring.windows or ring.site_windows)
                and known.starts.at is None
                and "windows do not open" in known.starts.reason
            ):
                message = f"{name}, ring {ring.name}: no window opens within {duration(LOOK_AHEAD)}"
                yield danger("RT-DANGER-013", place, message)


def _overlaps(compared: Comparison) -> Iterator[Danger]:
    """Yield pairs of rollouts on the same devices of which the change begins or alters one."""
    side, before = compared.after.side, compared.before.side
    if side is None:
        return
    classes: dict[str, set[str]] = {}
    for each in side.resolution.assignments:
        if each.rollout is not None:
            classes.setdefault(each.rollout.rollout, set()).add(each.class_id)
    altered = {row.rollout for row in compared.rows if row.rollout is not None}
    for one, other in combinations(sorted(classes), 2):
        both = classes[one] & classes[other]
        if both and (before is None or one in altered or other in altered):
            devices = sum(len(side.resolution.classes[class_id].devices) for class_id in both)
            place = at(side.state, side.state.rollouts[other if other in altered else one].path, "/placement")
            yield danger("RT-DANGER-014", place, f"{one} and {other} both reach {count(devices)}")


def _empty_cohorts(compared: Comparison) -> Iterator[Danger]:
    after, before = compared.after.side, compared.before.side
    if after is None or before is None:
        return
    for name in sorted(after.state.cohorts):
        cohort, was = after.state.cohorts[name], before.state.cohorts.get(name)
        if any(is_in(compared.after, name, class_id) for class_id in after.resolution.classes):
            continue
        had = sum(
            len(device_class.devices)
            for class_id, device_class in before.resolution.classes.items()
            if is_in(compared.before, name, class_id)
        )
        if had or was is None or was.selector != cohort.selector:
            said = f"{name} chooses no device" + (f", and chose {count(had)} before" if had else "")
            yield danger("RT-DANGER-008", at(after.state, cohort.path, "/selector"), said)


def _lost(compared: Comparison) -> Iterator[Danger]:
    """Yield models that served devices lose."""
    after, before = compared.after.side, compared.before.side
    if after is None or before is None:
        return
    for row in compared.rows:
        devices = row.all("going") if row.ring is None and row.after is None and row.cause != "no longer served" else []
        if devices:
            name = row.cause.removeprefix("placement ")
            placement = after.state.placements.get(name)
            place = at(after.state, placement.path, "/release") if placement else _former(compared, row.model)
            yield danger(
                "RT-DANGER-021", place, f"{count(len(devices))} {'lose' if len(devices) > 1 else 'loses'} {row.model}"
            )


def _former(compared: Comparison, model: str) -> Place:
    """Return the placement of a model that is gone, else fleet.yaml."""
    before, after = compared.before.side, compared.after.side
    if before is not None and after is not None:
        for name in sorted(before.state.placements.keys() - after.state.placements.keys()):
            if before.state.placements[name].model == model:
                return Place(path=before.state.placements[name].path)
    return Place(path="fleet.yaml")


def _vanished(before: DesiredState, after: DesiredState) -> Iterator[Danger]:
    """Yield a large part of the devices that is no longer served; inventories hide it from those who count files."""
    known = [name for name in sorted(before.devices) if before.devices[name].state != "retired"]
    gone = [name for name in known if name not in after.devices or after.devices[name].state == "retired"]
    if len(gone) > 1 and len(gone) > LARGE_PART * len(known):
        message = f"{len(gone)} of {count(len(known))} are no longer served, more than {percent(LARGE_PART)}"
        yield danger("RT-DANGER-009", Place(path=before.devices[gone[0]].path), message)
