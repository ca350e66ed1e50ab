"""What the devices of one class run of one model: the stable manifest, and a rollout's rings as cuts."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, format_instant, parse_digest, parse_instant, parse_name
from ringtide_contract.index import IndexRow, parse_class_id
from ringtide_contract.membership import Cut, bucket, parse_cut, turn, write_cut
from ringtide_contract.windows import Window, next_start

MAX_CLASS_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RingRange:
    """One open ring: devices with a bucket below `cut`, and not in an earlier ring, run `manifest`."""

    ring: str
    """Name of the ring."""
    cut: Cut
    """Border of the ring in this class; cuts grow from range to range."""
    not_before: datetime
    """When the ring opened; no device of it starts earlier."""
    spread_s: int
    """Seconds over which devices spread their start, by their turn; within each window anew."""
    windows: tuple[Window, ...]
    """When a device may switch; empty means at any time."""

    def next_start(self, turn: int, now: datetime) -> datetime | None:
        """Return when a device of this turn may begin: `now` where it may already; None: not within eight days."""
        spread = timedelta(seconds=self.spread_s)
        return next_start(self.windows, self.not_before, spread=spread, turn=turn, now=now)

    @classmethod
    def from_dict(cls, value: object) -> "RingRange":
        """Read a range from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "range")
        return cls(
            ring=parse_name(fields.text(data, "ring")),
            cut=parse_cut(fields.text(data, "cut")),
            not_before=parse_instant(fields.text(data, "notBefore")),
            spread_s=fields.integer(data, "spreadSeconds"),
            windows=fields.items(data, "windows", Window.from_dict),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the range as `from_dict` reads it."""
        return {
            "ring": self.ring,
            "cut": write_cut(self.cut),
            "notBefore": format_instant(self.not_before),
            "spreadSeconds": self.spread_s,
            "windows": [window.to_dict() for window in self.windows],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRollout:
    """A rollout as one class sees it."""

    rollout: str
    """Name of the rollout."""
    salt: str
    """Salt of the buckets, see `membership.salt`."""
    unit: str
    """`device`, or the label whose value is hashed in place of the device id."""
    manifest: Digest
    """The candidate's manifest for this class."""
    ranges: tuple[RingRange, ...]
    """The open rings, in order."""

    @classmethod
    def from_dict(cls, value: object) -> "ClassRollout":
        """Read a rollout from decoded JSON.

        Raises:
            InputError: A member is missing or wrong, or a cut shrinks from ring to ring.
        """
        data = fields.members(value, "rollout")
        ranges = fields.items(data, "ranges", RingRange.from_dict)
        if any(later.cut < earlier.cut for earlier, later in itertools.pairwise(ranges)):
            raise InputError("the cuts of a rollout shrink from ring to ring")
        return cls(
            rollout=parse_name(fields.text(data, "rollout")),
            salt=fields.text(data, "salt"),
            unit=fields.text(data, "unit"),
            manifest=parse_digest(fields.text(data, "manifest")),
            ranges=ranges,
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the rollout as `from_dict` reads it."""
        return {
            "rollout": self.rollout,
            "salt": self.salt,
            "unit": self.unit,
            "manifest": self.manifest,
            "ranges": [item.to_dict() for item in self.ranges],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFile:
    """The file of one class and one model."""

    class_id: str
    """The class."""
    model: str
    """The model."""
    stable: Digest | None
    """Manifest of the steady state; None where the model is not installed."""
    rollout: ClassRollout | None
    """The rollout that is under way."""

    @classmethod
    def decode(cls, content: bytes) -> "ClassFile":
        """Read a class file from its bytes.

        Raises:
            InputError: Not a class file.
        """
        data = fields.document(decode(content, limit=MAX_CLASS_FILE_BYTES), "ClassFile")
        stable = fields.optional_text(data, "stable")
        return cls(
            class_id=parse_class_id(fields.text(data, "class")),
            model=parse_name(fields.text(data, "model")),
            stable=None if stable is None else parse_digest(stable),
            rollout=None if data.get("rollout") is None else ClassRollout.from_dict(data["rollout"]),
        )

    def encode(self) -> bytes:
        """Write the class file in canonical bytes."""
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "ClassFile",
                "class": self.class_id,
                "model": self.model,
                "stable": self.stable,
                "rollout": None if self.rollout is None else self.rollout.to_dict(),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The manifest one device shall run, and why."""

    manifest: Digest | None
    """None: the model is not to be installed."""
    reason: str
    """`stable`, `pin`, or `rollout/<name>/<ring>`."""
    ring: RingRange | None
    """The ring that exposes the device; None where no rollout does."""
    bucket: int | None
    """The device's bucket in the rollout; None where none is under way."""
    turn: int = 0
    """The device's place in the order of beginning; 0 where no ring exposes it."""


def assign(file: ClassFile, row: IndexRow, device: str) -> Assignment:
    """Return what `device` shall run of the file's model: its pin, else its ring's candidate, else the stable.

    Raises:
        InputError: The rollout's unit is a label that the row does not carry.
    """
    if file.model in row.pins:
        return Assignment(manifest=row.pins[file.model], reason="pin", ring=None, bucket=None)
    rollout = file.rollout
    if rollout is None:
        return Assignment(manifest=file.stable, reason="stable", ring=None, bucket=None)
    unit = device if rollout.unit == "device" else row.units.get(rollout.unit)
    if unit is None:
        raise InputError(f"the rollout's unit is the label {rollout.unit!r}, which the index row does not carry")
    place = bucket(rollout.salt, unit)
    for ring in rollout.ranges:
        if place < ring.cut:
            reason = f"rollout/{rollout.rollout}/{ring.ring}"
            order = turn(rollout.salt, device)
            return Assignment(manifest=rollout.manifest, reason=reason, ring=ring, bucket=place, turn=order)
    return Assignment(manifest=file.stable, reason="stable", ring=None, bucket=place)
