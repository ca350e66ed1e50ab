"""The two sides of a plan: what every device runs, worked out by class and only where it must be by device."""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from ringtide_contract.class_file import ClassFile
from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.membership import bucket
from ringtide_engine.compile.manifests import Manifests
from ringtide_engine.compile.tree import make_class_files
from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.selection import unit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A desired state, resolved, as one side of a plan."""

    state: DesiredState
    """The desired state, with the base's progress and quarantine."""
    resolution: Resolution
    """What resolve made of it."""
    root: Digest
    """Merkle root of the same state compiled without any progress and quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one device runs of one model, and by what."""

    manifest: Digest | None
    """Manifest; None: nothing."""
    ring: str | None = None
    """Open ring that exposes the device."""
    is_pin: bool = False
    """Whether a pin decides."""


NOTHING = Run(manifest=None)


@dataclass(frozen=True, slots=True)
class Picture:
    """What every device of one side runs."""

    side: Side | None
    manifests: Manifests | None = field(init=False)
    files: Mapping[tuple[str, str], ClassFile] = field(init=False)
    """Class and model to class file."""
    models: Mapping[str, tuple[str, ...]] = field(init=False)
    """Class to the models it has files of."""
    placements: Mapping[tuple[str, str], str] = field(init=False)
    """Class and model to the placement that decides."""
    held: frozenset[DeviceId] = field(init=False)
    _steady: dict[tuple[str, str], Run] = field(init=False)
    _rings: dict[tuple[str, str, str], Run] = field(init=False)

    def __post_init__(self) -> None:
        """Compile the class files."""
        side, manifests = self.side, None if self.side is None else Manifests(self.side.state.fleet)
        files: Mapping[tuple[str, str], ClassFile] = {}
        models: dict[str, list[str]] = defaultdict(list)
        if side is not None and manifests is not None:
            files = make_class_files(side.state, side.resolution, manifests)
        for class_id, model in files:
            models[class_id].append(model)
        assignments = () if side is None else side.resolution.assignments
        devices = {} if side is None else side.resolution.devices
        values = {
            "manifests": manifests,
            "files": files,
            "models": {class_id: tuple(names) for class_id, names in models.items()},
            "placements": {(each.class_id, each.model): each.placement for each in assignments},
            "held": frozenset(name for name, device in devices.items() if device.state == "held"),
            "_steady": {key: Run(manifest=file.stable) for key, file in files.items()},
            "_rings": {},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def class_of(self) -> Mapping[DeviceId, str]:
        """Device to class, for devices that are served."""
        return {} if self.side is None else self.side.resolution.class_of

    def run(self, class_id: str | None, model: str, device: DeviceId) -> Run:
        """Return what `device` of a class runs; the same arithmetic as `class_file.assign`."""
        if self.side is None or class_id is None:
            return NOTHING
        pins = self.side.resolution.pinned.get(device)
        if pins is not None and model in pins and self.manifests is not None:
            entry = self.side.resolution.devices[device]
            hardware = self.side.state.hardware[entry.hardware_class]
            return Run(manifest=self.manifests.digest(pins[model], hardware), is_pin=True)
        file = self.files.get((class_id, model))
        if file is None:
            return NOTHING
        if file.rollout is not None and file.rollout.ranges:
            unit = unit_of(self.side.resolution.devices[device], file.rollout.unit)
            place = bucket(file.rollout.salt, unit)
            for ring in file.rollout.ranges:
                if place < ring.cut:
                    return self._exposed(class_id, model, ring.ring, file.rollout.manifest)
        return self._steady[class_id, model]

    def is_uniform(self, class_id: str | None, model: str) -> bool:
        """Tell whether all devices of a class that no pin keeps run the same."""
        file = None if class_id is None else self.files.get((class_id, model))
        return file is None or file.rollout is None or not file.rollout.ranges

    @property
    def pinned(self) -> Set[DeviceId]:
        """Devices with a pin."""
        return frozenset() if self.side is None else self.side.resolution.pinned.keys()

    def release(self, digest: Digest | None) -> str | None:
        """Return the release of a manifest of this side."""
        return None if digest is None or self.manifests is None else self.manifests.manifest(digest).release

    def variant(self, digest: Digest | None) -> str | None:
        """Return the variant of a manifest of this side."""
        return None if digest is None or self.manifests is None else self.manifests.manifest(digest).variant

    def files_of(self, digest: Digest | None) -> Set[Digest]:
        """Return the artifacts that a manifest of this side names."""
        if digest is None or self.manifests is None:
            return frozenset()
        return {artifact.sha256 for artifact in self.manifests.manifest(digest).artifacts}

    def fetch_bytes(self, digest: Digest | None, has: Set[Digest]) -> int:
        """Return what a device with the artifacts `has` fetches for a manifest of this side."""
        return 0 if digest is None or self.manifests is None else self.manifests.manifest(digest).fetch_bytes(has)

    def stratum(self, class_id: str) -> str:
        """Return the stratum of a class of this side."""
        return "" if self.side is None else self.side.resolution.classes[class_id].stratum

    def _exposed(self, class_id: str, model: str, ring: str, manifest: Digest) -> Run:
        key = (class_id, model, ring)
        if key not in self._rings:
            self._rings[key] = Run(manifest=manifest, ring=ring)
        return self._rings[key]


Transitions = Mapping[tuple[str | None, str | None], tuple[DeviceId, ...]]
"""Class before and class after to the devices that go this way, sorted; None: not served on that side."""


def transitions(before: Picture, after: Picture) -> Transitions:
    """Group the devices of both sides by the classes that they come from and go to."""
    old, new = before.class_of, after.class_of
    grouped: dict[tuple[str | None, str | None], list[DeviceId]] = defaultdict(list)
    for device in sorted({**old, **new}):
        grouped[old.get(device), new.get(device)].append(device)
    return {key: tuple(devices) for key, devices in grouped.items()}
