"""The fleet as policy rules see it: plain data, each part made when a rule first reads it.

docs/spec/policy-variables.md describes the parts.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ringtide_engine.model.assignment import ClassAssignment, DeviceClass, Resolution
from ringtide_engine.model.desired import HARDWARE_LABEL, DesiredState, RingPlan, Rollout
from ringtide_engine.model.selection import matches
from ringtide_engine.model.steady_state import stable_version
from ringtide_engine.resolve.exposure import Exposure, exposure
from ringtide_engine.resolve.moves import moves
from ringtide_engine.resolve.running import installed, labels_reached, running
from ringtide_engine.resolve.state import resolve


class FleetView(Mapping[str, object]):
    """The variable `fleet`."""

    def __init__(self, head: DesiredState, base: DesiredState | None) -> None:
        """Make nothing yet.

        Args:
            head: The desired state that is judged.
            base: What it changes; None where nothing was there before.
        """
        self._head = head
        self._base = base
        self._made: dict[str, object] = {}
        self._makers: Mapping[str, Callable[[], object]] = {
            "settings": lambda: head.documents["fleet.yaml"].data,
            "devices": self._devices,
            "hardware": lambda: self._documents({name: each.path for name, each in head.hardware.items()}),
            "cohorts": self._cohorts,
            "strata": self._strata,
            "releases": self._releases,
            "ringPlans": lambda: self._documents({name: each.path for name, each in head.ring_plans.items()}),
            "placements": lambda: self._documents({name: each.path for name, each in head.placements.items()}),
            "assignments": self._assignments,
            "running": lambda: running(self._head, self._resolution),
            "installed": lambda: installed(self._resolution),
            "rollouts": self._rollouts,
            "plan": self._plan,
            "quarantine": lambda: [{"model": each.model, "release": each.release} for each in head.quarantine],
        }

    def __getitem__(self, part: str) -> object:
        """Return a part, made once."""
        if part not in self._made:
            self._made[part] = self._makers[part]()
        return self._made[part]

    def __iter__(self) -> Iterator[str]:
        """Return the names of the parts."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._makers)

    @cached_property
    def _resolution(self) -> Resolution:
        return resolve(self._head)

    def _documents(self, paths: Mapping[str, str]) -> object:
        return {name: self._head.documents[paths[name]].data for name in sorted(paths)}

    def _devices(self) -> object:
        states = [each.state for each in self._head.devices.values()]
        active, held = states.count("active"), states.count("held")
        return {"total": active + held, "active": active, "held": held}

    def _strata(self) -> object:
        strata: dict[str, dict[str, object]] = {}
        classes = list(self._resolution.classes.values())
        for each in classes:
            labels = {label: each.labels.get(label, "") for label in self._head.fleet.strata if label != HARDWARE_LABEL}
            strata[each.stratum] = {"name": each.stratum, "hardwareClass": each.hardware_class, "labels": labels}
        return [{**strata[name], "devices": devices} for name, devices in _count(classes).items()]

    def _cohorts(self) -> object:
        cohorts: dict[str, object] = {}
        for name in sorted(self._head.cohorts):
            selector = self._head.cohorts[name].selector
            inside = [each for each in self._resolution.classes.values() if matches(selector, each.selectable_labels)]
            counts = _count(inside)
            strata = [{"name": stratum, "devices": devices} for stratum, devices in counts.items()]
            cohorts[name] = {"devices": sum(counts.values()), "strata": strata}
        return cohorts

    def _releases(self) -> object:
        releases: dict[str, dict[str, object]] = {}
        for (model, version), each in sorted(self._head.releases.items()):
            releases.setdefault(model, {})[version] = self._head.documents[each.path].data
        return releases

    def _assignments(self) -> object:
        return [
            _assignment(each, self._head.placements[each.placement].cohort, self._resolution.classes[each.class_id])
            for each in self._resolution.assignments
        ]

    def _rollouts(self) -> object:
        return self._all_rollouts

    @cached_property
    def _all_rollouts(self) -> list[dict[str, object]]:
        return [self._rollout(self._head.rollouts[name]) for name in sorted(self._head.rollouts)]

    def _rollout(self, rollout: Rollout) -> dict[str, object]:
        state = self._head
        placement, plan = state.placements[rollout.placement], state.ring_plans[rollout.ring_plan]
        progress = state.progress.get(rollout.name)
        under_way = progress if progress is not None and progress.candidate == rollout.candidate else None
        reach = exposure(state, self._resolution, rollout, plan)
        opened = {each.name for each in under_way.rings} if under_way else set()
        return {
            "name": rollout.name,
            "placement": placement.name,
            "model": placement.model,
            "stable": stable_version(state, placement),
            "candidate": rollout.candidate,
            "ringPlan": plan.name,
            "phase": under_way.phase if under_way else "notStarted",
            "devices": sum(reach.members.values()),
            "labels": labels_reached(self._resolution, rollout),
            "rings": _rings(plan, opened, reach),
        }

    def _plan(self) -> object:
        base = resolve(self._base) if self._base is not None else None
        found = moves(self._resolution, base)
        now = {device for devices in found.values() for device in devices}
        return {
            "first": base is None,
            "now": len(now),
            "later": sum(map(_not_reached, self._all_rollouts)),
            "total": len(self._resolution.devices),
            "moves": [
                {"placement": placement, "model": model, "from": before, "to": after, "devices": len(devices)}
                for (placement, model, before, after), devices in found.items()
            ],
        }


def _count(classes: list[DeviceClass]) -> dict[str, int]:
    """Return stratum to devices, by name."""
    counts: dict[str, int] = {}
    for each in sorted(classes, key=lambda one: one.stratum):
        counts[each.stratum] = counts.get(each.stratum, 0) + len(each.devices)
    return counts


def _assignment(assignment: ClassAssignment, cohort: str, device_class: DeviceClass) -> object:
    stable, rollout = assignment.stable, assignment.rollout
    candidate = rollout.candidate if rollout else None
    return {
        "placement": assignment.placement,
        "model": assignment.model,
        "cohort": cohort,
        "stratum": device_class.stratum,
        "hardwareClass": device_class.hardware_class,
        "labels": dict(device_class.labels),
        "release": stable.release.version if stable else None,
        "variant": stable.variant.name if stable else None,
        "rollout": rollout.rollout if rollout else None,
        "candidate": candidate.release.version if candidate else None,
        "candidateVariant": candidate.variant.name if candidate else None,
        "devices": len(device_class.devices),
    }


def _rings(plan: RingPlan, opened: set[str], reach: Exposure) -> object:
    return [
        {
            "name": ring.name,
            "share": float(ring.share * 100) if ring.share is not None else None,
            "cohort": ring.cohort,
            "open": ring.name in opened,
            "devices": sum(counts.values()),
            "strata": [
                {"name": stratum, "devices": devices, "members": reach.members[stratum]}
                for stratum, devices in counts.items()
            ],
        }
        for ring, counts in zip(plan.rings, reach.rings, strict=True)
    ]


def _not_reached(rollout: Mapping[str, Any]) -> int:
    """Return the devices that an unfinished rollout has yet to reach."""
    if rollout["phase"] not in ("notStarted", "rolling"):
        return 0
    reached = max((ring["devices"] for ring in rollout["rings"] if ring["open"]), default=0)
    return int(rollout["devices"]) - int(reached)
