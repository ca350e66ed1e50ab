"""What the judge has begun is not changed under its feet, and what it has finished is not undone unnoticed."""

from collections.abc import Iterator

from ringtide_engine.model.desired import DesiredState, Rollout
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.rules import finding
from ringtide_engine.model.steady_state import stable_version


def changed_rollouts(state: DesiredState, base: DesiredState) -> Iterator[Finding]:
    """Yield edits since `base` that a judged rollout overrides, revives or does not survive."""
    for name in sorted(state.placements.keys() & base.placements.keys()):
        placement = state.placements[name]
        runs = stable_version(state, placement)
        if placement.release not in (base.placements[name].release, runs):
            place = state.documents[placement.path].place("/release")
            message = f"a completed rollout keeps {name} at {placement.model} {runs}, so the edit has no effect"
            yield finding("RT-ROLLOUT-003", place, message)
    for name in sorted(state.rollouts.keys() & base.progress.keys() - base.rollouts.keys()):
        if base.progress[name].phase != "rolling":
            place = state.documents[state.rollouts[name].path].place("/name")
            message = f"{name} finished with {base.progress[name].candidate}, and is there again"
            yield finding("RT-ROLLOUT-005", place, message)
    rolling = [name for name in sorted(state.rollouts.keys() & base.rollouts.keys()) if _rolls(state, base, name)]
    for name in rolling:
        yield from _moved(state, base, state.rollouts[name])
    if rolling and state.fleet.strata != base.fleet.strata:
        place = state.documents["fleet.yaml"].place("/strata")
        yield finding("RT-ROLLOUT-006", place, f"the strata have changed since {rolling[0]} opened its first ring")
    if [each.label for each in state.fleet.budgets] == [each.label for each in base.fleet.budgets]:
        return
    for name in rolling:
        if any(ring.admitted is not None for ring in state.progress[name].rings):
            place = state.documents["fleet.yaml"].place("/disruptionBudgets")
            message = (
                f"devices begin {name} one by one in groups by the labels of disruption budgets, which have changed"
            )
            yield finding("RT-ROLLOUT-006", place, message)
            return


def _rolls(state: DesiredState, base: DesiredState, name: str) -> bool:
    # What changed before the first ring opened, or after the last verdict, is no matter.
    return all(name in each.progress and each.progress[name].phase == "rolling" for each in (state, base))


def _moved(state: DesiredState, base: DesiredState, rollout: Rollout) -> Iterator[Finding]:
    was = base.rollouts[rollout.name]
    document = state.documents[rollout.path]
    if rollout.placement != was.placement:
        message = f"{rollout.name} is under way on {was.placement}, and moves to {rollout.placement}"
        yield finding("RT-ROLLOUT-006", document.place("/placement"), message)
    plan, before = state.ring_plans.get(rollout.ring_plan), base.ring_plans.get(was.ring_plan)
    if plan is None or before is None:
        return
    written = state.documents[plan.path]
    if plan.unit != before.unit:
        message = f"{rollout.name} is under way by {before.unit}, not by {plan.unit}"
        yield finding("RT-ROLLOUT-006", written.place("/unit"), message)
    opened = [ring.name for ring in state.progress[rollout.name].rings]
    names = [ring.name for ring in plan.rings]
    if names[: len(opened)] != opened:
        message = f"{rollout.name} has opened {', '.join(opened)}, and the plan begins otherwise"
        yield finding("RT-ROLLOUT-006", written.place("/rings"), message)
    elif len(names) == len(opened) < len(before.rings):
        message = f"no ring is left after {opened[-1]}, which {rollout.name} has opened as one of {len(before.rings)}"
        yield finding("RT-ROLLOUT-006", written.place("/rings"), message)
