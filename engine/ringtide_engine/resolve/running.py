"""Where releases run, by release: what a rule over one of many releases needs, without going through all assignments."""

from collections.abc import Mapping

from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState, Rollout

Runs = Mapping[str, str | int]
"""Hardware class, variant, and the number of devices there."""


def running(state: DesiredState, resolution: Resolution) -> Mapping[str, Mapping[str, list[Runs]]]:
    """Return model and version to where it runs or a rollout brings it; nowhere is an empty list."""
    devices: dict[tuple[str, str], dict[tuple[str, str], int]] = {key: {} for key in sorted(state.releases)}
    for each in resolution.assignments:
        here = resolution.classes[each.class_id]
        for choice in (each.stable, each.rollout.candidate if each.rollout else None):
            if choice is not None:
                counts = devices[each.model, choice.release.version]
                key = (here.hardware_class, choice.variant.name)
                counts[key] = counts.get(key, 0) + len(here.devices)
    answer: dict[str, dict[str, list[Runs]]] = {}
    for (model, version), counts in devices.items():
        answer.setdefault(model, {})[version] = [
            {"hardwareClass": hardware_class, "variant": variant, "devices": counts[hardware_class, variant]}
            for hardware_class, variant in sorted(counts)
        ]
    return answer


def installed(resolution: Resolution) -> Mapping[str, list[str]]:
    """Return hardware class to the models placed there."""
    models: dict[str, set[str]] = {each.hardware_class: set() for each in resolution.classes.values()}
    for each in resolution.assignments:
        models[resolution.classes[each.class_id].hardware_class].add(each.model)
    return {name: sorted(models[name]) for name in sorted(models)}


def labels_reached(resolution: Resolution, rollout: Rollout) -> Mapping[str, list[str]]:
    """Return label to its values on the devices that an unfinished rollout may reach."""
    values: dict[str, set[str]] = {}
    for each in resolution.assignments:
        if each.rollout is not None and each.rollout.rollout == rollout.name:
            for label, value in resolution.classes[each.class_id].labels.items():
                values.setdefault(label, set()).add(value)
    return {label: sorted(values[label]) for label in sorted(values)}
