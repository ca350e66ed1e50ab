"""Placements: one answer for every device and model, and cohorts that choose somebody."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.members import served


def placements(state: DesiredState, members: Mapping[str, Sequence[Device]]) -> Iterator[Finding]:
    """Yield overlaps of placements, and cohorts in use that choose nobody."""
    taken: dict[tuple[str, str], str] = {}
    placed = Counter(each.model for each in state.placements.values())
    for name in sorted(state.placements):
        placement = state.placements[name]
        overlaps: dict[str, list[str]] = {}
        for device in members.get(placement.cohort, ()) if placed[placement.model] > 1 else ():
            other = taken.setdefault((device.id, placement.model), name)
            if other != name:
                overlaps.setdefault(other, []).append(device.id)
        for other, devices in overlaps.items():
            shown = ", ".join(devices[:3]) + (f" and {len(devices) - 3} more" if len(devices) > 3 else "")
            place = state.documents[placement.path].place("/cohort")
            message = f"{other} places {placement.model} too, on {shown}"
            yield finding("RT-PLACEMENT-001", place, message)
    if served(state):
        for name, devices_ in members.items():
            if not devices_:
                place = state.documents[state.cohorts[name].path].place("/selector")
                yield finding("RT-COHORT-001", place, f"the cohort {name} chooses no device")
