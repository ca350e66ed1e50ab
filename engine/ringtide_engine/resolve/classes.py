"""Devices grouped into classes: alike in hardware and in every label that a cohort, a stratum, a budget or a window reads."""

from collections.abc import Mapping

from ringtide_contract.canonical import encode
from ringtide_contract.ids import DeviceId, sha256
from ringtide_engine.model.assignment import DeviceClass
from ringtide_engine.model.desired import HARDWARE_LABEL, DesiredState
from ringtide_engine.model.selection import stratum_of


def group(state: DesiredState) -> tuple[Mapping[str, DeviceClass], Mapping[DeviceId, str]]:
    """Return the classes by id, and the class of every device that is not retired."""
    read = labels_that_matter(state)
    members: dict[tuple[str, tuple[tuple[str, str], ...]], list[DeviceId]] = {}
    for device in sorted(state.devices):
        entry = state.devices[device]
        if entry.state != "retired":
            labels = tuple((label, entry.labels[label]) for label in read if label in entry.labels)
            members.setdefault((entry.hardware_class, labels), []).append(device)
    classes: dict[str, DeviceClass] = {}
    for (hardware, labels), devices in members.items():
        class_id = sha256(encode({"hardwareClass": hardware, "labels": dict(labels)}))[:16]
        classes[class_id] = DeviceClass(
            class_id=class_id,
            hardware_class=hardware,
            labels=dict(labels),
            stratum=stratum_of(state.devices[devices[0]], state.fleet.strata),
            devices=tuple(devices),
        )
    class_of = {device: each.class_id for each in classes.values() for device in each.devices}
    return {class_id: classes[class_id] for class_id in sorted(classes)}, class_of


def labels_that_matter(state: DesiredState) -> tuple[str, ...]:
    """Return the labels that split classes: those that cohorts, strata, budgets and windows read, sorted."""
    read = {expression.key for cohort in state.cohorts.values() for expression in cohort.selector.expressions}
    zones = state.fleet.time_zones
    if zones is not None and any(ring.site_windows for plan in state.ring_plans.values() for ring in plan.rings):
        read.add(zones.label)
    budgets = {budget.label for budget in state.fleet.budgets}
    return tuple(sorted((read | budgets | set(state.fleet.strata)) - {HARDWARE_LABEL}))
