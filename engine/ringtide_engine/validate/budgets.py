"""Disruption budgets: each can be kept, and lets rollouts come to an end."""

from collections import Counter
from collections.abc import Iterator

from ringtide_engine.model.budgets import DisruptionBudget, groups_of
from ringtide_engine.model.desired import DesiredState, Device, Rollout
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import finding
from ringtide_engine.model.selection import labels_of, matches, unit_of


def budgets(state: DesiredState) -> Iterator[Finding]:
    """Yield budgets that stand twice, that count nobody, or that stop a rollout for ever."""
    written = state.documents["fleet.yaml"]
    devices = [each for each in state.devices.values() if each.state != "retired"]
    seen: set[str] = set()
    for number, budget in enumerate(state.fleet.budgets):
        place = written.place(f"/disruptionBudgets/{number}/label")
        if budget.label in seen:
            yield finding("RT-BUDGET-003", place, f"two disruption budgets count devices by {budget.label}")
        seen.add(budget.label)
        sizes = Counter(group for each in devices for group in groups_of(labels_of(each), [budget]))
        if devices and not sizes:
            yield finding("RT-BUDGET-002", place, f"no device has the label {budget.label}")
        yield from _stopped(state, budget, sizes, devices, written.place(f"/disruptionBudgets/{number}/{budget.kind}"))


def _stopped(
    state: DesiredState, budget: DisruptionBudget, sizes: Counter[str], devices: list[Device], place: Place
) -> Iterator[Finding]:
    stuck = sorted(group for group, size in sizes.items() if budget.allows(size) < 1)
    if stuck:
        more = f", and of {len(stuck) - 1} more," if len(stuck) > 1 else ""
        message = f"none of the {sizes[stuck[0]]} devices of {stuck[0]}{more} may ever be unavailable"
        yield finding("RT-BUDGET-001", place, message)
        return
    for rollout in _under_way(state):
        plan, placement = state.ring_plans.get(rollout.ring_plan), state.placements.get(rollout.placement)
        cohort = state.cohorts.get(placement.cohort) if placement else None
        if plan is None or cohort is None or plan.unit == "device":
            continue
        together = Counter(
            (group, unit_of(each, plan.unit))
            for each in devices
            if matches(cohort.selector, labels_of(each))
            for group in groups_of(labels_of(each), [budget])
        )
        for (group, unit), count in sorted(together.items()):
            most = budget.allows(sizes[group])
            if count > most:
                message = f"{rollout.name} moves the {count} devices of {group} with {plan.unit} {unit} together, "
                yield finding("RT-BUDGET-001", place, f"{message}and {most} of them may be unavailable")
                break


def _under_way(state: DesiredState) -> Iterator[Rollout]:
    for name in sorted(state.rollouts):
        progress = state.progress.get(name)
        if progress is None or progress.phase == "rolling":
            yield state.rollouts[name]
