"""Windows in the time of the site: every device has one."""

from collections.abc import Iterator

from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.rules import finding
from ringtide_engine.model.selection import labels_of


def windows(state: DesiredState) -> Iterator[Finding]:
    """Yield ring plans with windows in the time of sites that have none."""
    zones = state.fleet.time_zones
    lost = [each.id for each in state.devices.values() if zones is not None and zones.of(labels_of(each)) is None]
    for plan in state.ring_plans.values():
        for number, ring in enumerate(plan.rings):
            if not ring.site_windows or (zones is not None and not lost):
                continue
            place = state.documents[plan.path].place(f"/rings/{number}/windows")
            said = "fleet.yaml has no timeZones"
            if zones is not None:
                more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
                said = f"{min(lost)}{more} have no value of {zones.label} among those of fleet.yaml"
            yield finding("RT-WINDOW-001", place, f"{ring.name} opens in the time of the site, and {said}")
