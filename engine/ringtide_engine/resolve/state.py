"""The room's one door: the desired state resolved for every class and device."""

from collections.abc import Mapping

from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import salt
from ringtide_engine.model.assignment import Choice, ClassAssignment, ClassRolloutPlan, DeviceClass, Resolution
from ringtide_engine.model.desired import DesiredState, Placement
from ringtide_engine.model.fitness import unmet
from ringtide_engine.model.selection import matches, unit_of
from ringtide_engine.model.steady_state import stable_version
from ringtide_engine.resolve.classes import group
from ringtide_engine.resolve.rollouts import ranges_of, rollout_under_way


class _Choices:
    """Chooses variants, once for each release and hardware class."""

    def __init__(self, state: DesiredState) -> None:
        self._state = state
        self._made: dict[tuple[str, str, str], Choice | None] = {}

    def of(self, model: str, version: str | None, hardware_class: str) -> Choice | None:
        """Return the first variant that fits; None where nothing is installed, known, or fits (a finding)."""
        if version is None:
            return None
        key = (model, version, hardware_class)
        if key not in self._made:
            self._made[key] = self._choose(*key)
        return self._made[key]

    def _choose(self, model: str, version: str, hardware_class: str) -> Choice | None:
        release, hardware = self._state.releases.get((model, version)), self._state.hardware.get(hardware_class)
        if release is None or hardware is None:
            return None
        fitting = (variant for variant in release.variants if not unmet(variant, hardware))
        variant = next(fitting, None)
        return None if variant is None else Choice(release=release, variant=variant)


def resolve(state: DesiredState) -> Resolution:
    """Resolve a desired state.

    Where two placements put one model on a class, which is a finding, the first by name decides.
    """
    choices = _Choices(state)
    classes, class_of = group(state)
    assignments: dict[tuple[str, str], ClassAssignment] = {}
    for name in sorted(state.placements):
        placement = state.placements[name]
        for device_class in _reached(state, placement, classes):
            key = (device_class.class_id, placement.model)
            if key not in assignments:
                assignments[key] = _assign(state, placement, device_class, choices)
    devices = {device: state.devices[device] for device in sorted(class_of)}
    plans = (state.ring_plans.get(rollout.ring_plan) for rollout in state.rollouts.values())
    return Resolution(
        classes=classes,
        class_of=class_of,
        assignments=tuple(assignments[key] for key in sorted(assignments)),
        pinned=_pinned(state, choices),
        devices=devices,
        units=tuple(sorted({plan.unit for plan in plans if plan is not None} - {"device"})),
    )


def rollout_units(
    state: DesiredState, resolution: Resolution, rollout_name: str
) -> Mapping[str, tuple[tuple[DeviceId, str], ...]]:
    """Return the devices that a rollout may reach, with their units, by stratum; both sorted.

    Pinned devices are not among them, nor are classes that no variant of the candidate fits.
    """
    rollout = state.rollouts[rollout_name]
    placement = state.placements[rollout.placement]
    plan = state.ring_plans[rollout.ring_plan]
    choices = _Choices(state)
    units: dict[str, list[tuple[DeviceId, str]]] = {}
    for assignment in resolution.assignments:
        device_class = resolution.classes[assignment.class_id]
        if assignment.placement != placement.name:
            continue
        if choices.of(placement.model, rollout.candidate, device_class.hardware_class) is None:
            continue
        devices = device_class.devices
        if resolution.pinned:
            devices = tuple([each for each in devices if placement.model not in resolution.pinned.get(each, {})])
        alone = plan.unit == "device"
        named = devices if alone else [unit_of(resolution.devices[each], plan.unit) for each in devices]
        units.setdefault(device_class.stratum, []).extend(zip(devices, named, strict=True))
    return {stratum: tuple(sorted(units[stratum])) for stratum in sorted(units)}


def _reached(state: DesiredState, placement: Placement, classes: Mapping[str, DeviceClass]) -> list[DeviceClass]:
    cohort = state.cohorts.get(placement.cohort)
    if cohort is None:
        return []
    return [each for each in classes.values() if matches(cohort.selector, each.selectable_labels)]


def _assign(state: DesiredState, placement: Placement, device_class: DeviceClass, choices: _Choices) -> ClassAssignment:
    hardware = device_class.hardware_class
    under_way = rollout_under_way(state, placement)
    plan: ClassRolloutPlan | None = None
    if under_way is not None:
        rollout, progress = under_way
        candidate = choices.of(placement.model, rollout.candidate, hardware)
        ring_plan = state.ring_plans.get(rollout.ring_plan)
        if candidate is not None:
            plan = ClassRolloutPlan(
                rollout=rollout.name,
                candidate=candidate,
                salt=salt(state.fleet.name, rollout.name, rollout.candidate),
                unit=ring_plan.unit if ring_plan else "device",
                ranges=ranges_of(state, ring_plan, progress, device_class),
            )
    return ClassAssignment(
        class_id=device_class.class_id,
        model=placement.model,
        placement=placement.name,
        stable=choices.of(placement.model, stable_version(state, placement), hardware),
        rollout=plan,
    )


def _pinned(state: DesiredState, choices: _Choices) -> Mapping[DeviceId, Mapping[str, Choice]]:
    pinned: dict[DeviceId, dict[str, Choice]] = {}
    for name in sorted(state.devices):
        device = state.devices[name]
        for pin in device.pins if device.state != "retired" else ():
            choice = choices.of(pin.model, pin.release, device.hardware_class)
            if choice is not None:
                pinned.setdefault(name, {})[pin.model] = choice
    return pinned
