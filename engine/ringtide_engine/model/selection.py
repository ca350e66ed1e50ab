"""Which devices a selector chooses: the meaning of Kubernetes' label selectors, in one place."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from ringtide_engine.model.desired import HARDWARE_LABEL, Device, Expression, Selector


def labels_of(device: Device) -> dict[str, str]:
    """Return the labels that selectors and strata read: the written ones and the hardware class."""
    return {**device.labels, HARDWARE_LABEL: device.hardware_class}


def stratum_of(device: Device, strata: Sequence[str]) -> str:
    """Return the stratum of a device: its hardware class, then `/label=value` for each label of the fleet's strata."""
    parts = [f"{label}={device.labels.get(label, '')}" for label in strata if label != HARDWARE_LABEL]
    return "/".join([device.hardware_class, *parts])


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Tell whether all requirements of `selector` hold for `labels`.

    Args:
        selector: The requirements; a selector without any matches nothing, so that no mistake chooses everybody.
        labels: From `labels_of`.
    """
    return bool(selector.expressions) and all(_holds(expression, labels) for expression in selector.expressions)


def unit_of(device: Device, unit: str) -> str:
    """Return the unit that a device moves with in a rollout: itself, or the value of the label `unit`.

    A device without the label moves alone, so that no rollout leaves it without a bucket.
    """
    return device.id if unit == "device" else labels_of(device).get(unit, device.id)


def _holds(expression: Expression, labels: Mapping[str, str]) -> bool:
    match expression.operator:
        case "In":
            return labels.get(expression.key) in expression.values
        case "NotIn":
            return labels.get(expression.key) not in expression.values
        case "Exists":
            return expression.key in labels
        case "DoesNotExist":
            return expression.key not in labels
        case _:
            assert_never(expression.operator)
