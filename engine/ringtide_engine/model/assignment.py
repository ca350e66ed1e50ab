"""Who runs what: classes of devices that a manifest cannot tell apart, and what each class runs of each model."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract.class_file import RingRange
from ringtide_contract.ids import DeviceId
from ringtide_engine.model.desired import HARDWARE_LABEL, Device
from ringtide_engine.model.releases import Release, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClass:
    """Devices alike in everything a manifest depends on."""

    class_id: str
    """First 16 hexadecimal digits of SHA-256 over hardware class and labels."""
    hardware_class: str
    """Name of the hardware class."""
    labels: Mapping[str, str]
    """The labels that cohorts and strata read, as these devices have them."""
    stratum: str
    """`<hardware class>` and the strata labels, joined by `/`: `edge-m/region=eu`."""
    devices: tuple[DeviceId, ...]
    """Its devices that are not retired, sorted."""

    @property
    def selectable_labels(self) -> dict[str, str]:
        """The labels as selectors read them: the hardware class is one."""
        return {**self.labels, HARDWARE_LABEL: self.hardware_class}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A release and the variant of it that a class runs."""

    release: Release
    """The release."""
    variant: Variant
    """The first variant, in order, whose requirements the hardware class meets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRolloutPlan:
    """A rollout as one class sees it."""

    rollout: str
    """Name."""
    candidate: Choice
    """What it brings."""
    salt: str
    """Salt of the buckets."""
    unit: str
    """`device` or a label."""
    ranges: tuple[RingRange, ...]
    """Open rings with this class's cuts; empty before the first ring opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAssignment:
    """What one class runs of one model."""

    class_id: str
    """The class."""
    model: str
    """The model."""
    placement: str
    """The placement that says so."""
    stable: Choice | None
    """Steady state; None: not installed."""
    rollout: ClassRolloutPlan | None
    """Rollout under way on the placement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The desired state, resolved for every device."""

    classes: Mapping[str, DeviceClass]
    """By class id."""
    class_of: Mapping[DeviceId, str]
    """Device to class id, for devices that are not retired."""
    assignments: tuple[ClassAssignment, ...]
    """Ordered by class and model."""
    pinned: Mapping[DeviceId, Mapping[str, Choice]]
    """Device to model to what it is pinned to."""
    devices: Mapping[DeviceId, Device]
    """Devices that are not retired."""
    units: tuple[str, ...]
    """Labels that some ring plan in use takes as its unit; the index carries them."""
