"""Edits that reach no device now: said, so that nobody takes silence for effect."""

from collections.abc import Iterator, Mapping

from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.words import count, some
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.plan_report import NO_DEVICES, Omission
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.steady_state import stable_version, unfinished


def unused_edits(compared: Comparison) -> Iterator[Omission]:
    """Yield documents that the change adds, edits or removes, and that move no device."""
    before, after = compared.before.side, compared.after.side
    if before is None or after is None:
        return
    old, new = before.state, after.state
    moving = {row.model for row in compared.rows if row.parts}
    causes = {row.cause for row in compared.rows}
    under_way = [rollout for each in new.placements.values() for rollout in unfinished(new, each)]
    plans = {each.ring_plan for each in under_way}
    for name in _edited(old.ring_plans, new.ring_plans):
        if name not in plans:
            yield _unused(
                f"ring plan {name}",
                _how(name, old.ring_plans, new.ring_plans),
                "no rollout uses it now",
                "a rollout names it",
            )
    for name in _edited(old.placements, new.placements):
        if f"placement {name}" not in causes and (name in new.placements or stable_version(old, old.placements[name])):
            yield _unused(
                f"placement {name}",
                _how(name, old.placements, new.placements),
                "no device changes what it runs",
                "a device of its cohort runs something else",
            )
    used = _used_releases(new)
    for key in _edited(old.releases, new.releases):
        if key not in used or key[0] not in moving:
            why = "no device changes what it runs" if key in used else "no placement, rollout or pin brings it"
            yield _unused(
                f"release {key[0]} {key[1]}", _how(key, old.releases, new.releases), why, "a rollout brings it"
            )
    if not compared.plan.changes:
        for name in _edited(old.cohorts, new.cohorts):
            yield _unused(
                f"cohort {name}",
                _how(name, old.cohorts, new.cohorts),
                "no device changes what it runs",
                "a device joins or leaves it",
            )
        for name in _edited(old.hardware, new.hardware):
            yield _unused(
                f"hardware class {name}",
                _how(name, old.hardware, new.hardware),
                "every device keeps its variant",
                "another variant fits",
            )
    edited = [name for name in _edited(old.devices, new.devices) if name in old.devices and name in new.devices]
    moved = {device for row in compared.rows for device in row.all("going")} if edited else set()
    still = [name for name in edited if name not in moved]
    if still:
        yield Omission(
            kind="unused",
            subject="edited devices",
            message=f"{count(len(still))} edited, without effect on what they run now",
            why="they run what they ran before",
            devices=some(still),
            until="a cohort, a rollout or a release makes a difference",
        )
    unfinished_before = {rollout.name for each in old.placements.values() for rollout in unfinished(old, each)}
    for name in sorted(unfinished_before - new.rollouts.keys()):
        yield Omission(
            kind="unused",
            subject=f"rollout {name}",
            message=f"{old.rollouts[name].candidate} goes to no further ring",
            why="the change removes the rollout before it has finished",
            devices=NO_DEVICES,
            until="a rollout of another name brings it",
        )
    for name in _edited(old.rollouts, new.rollouts):
        if f"rollout {name}" not in causes and name in new.rollouts:
            rollout = new.rollouts[name]
            placed = new.placements.get(rollout.placement)
            if placed is not None and entry_against(new, placed.model, rollout.candidate) is not None:
                continue  # told as quarantined
            finished = name in new.progress and new.progress[name].phase != "rolling"
            why = "it has finished" if finished else "it reaches no device"
            yield _unused(
                f"rollout {name}",
                _how(name, old.rollouts, new.rollouts),
                why,
                "it is under way on a placement with devices",
            )


def _used_releases(state: DesiredState) -> set[tuple[str, str]]:
    used = {(pin.model, pin.release) for each in state.devices.values() for pin in each.pins}
    for placement in state.placements.values():
        stable = stable_version(state, placement)
        used |= {(placement.model, version) for version in (stable, placement.release) if version is not None}
        used |= {(placement.model, rollout.candidate) for rollout in unfinished(state, placement)}
    return used


def _edited(old: Mapping, new: Mapping) -> list:  # type: ignore[type-arg]  # names of one kind, as both sides key them
    return [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def _how(name: object, old: Mapping, new: Mapping) -> str:  # type: ignore[type-arg]
    return "is added" if name not in old else "is edited" if name in new else "is removed"


def _unused(subject: str, how: str, why: str, until: str) -> Omission:
    return Omission(
        kind="unused",
        subject=subject,
        message=f"{subject} {how}: nothing happens",
        why=why,
        devices=NO_DEVICES,
        until=until,
    )
