"""Shards of the two directories: index (device to class) and catalog (class to class files)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, Digest, parse_device_id, parse_digest, parse_name

MAX_SHARD_BYTES = 256 * 1024
"""About 64 rows of 100 bytes to a shard, with room for pins, units and a skewed hash."""

DeviceState = Literal["active", "held"]
"""`active` follows the fleet; `held` keeps what it runs and takes nothing new. Retired devices have no row."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """What the index says of one device; never its ring, so that opening a ring leaves the index alone."""

    class_id: str
    """The class whose files apply."""
    state: DeviceState
    """Whether the device takes new releases."""
    pins: Mapping[str, Digest] = field(default_factory=lambda: MappingProxyType({}))
    """Model to manifest, for devices that are pinned whatever their class runs."""
    units: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """Label to value, for labels that a ring plan uses as its unit."""

    @classmethod
    def from_dict(cls, value: object) -> "IndexRow":
        """Read a row from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "index row")
        state = fields.text(data, "state")
        if state not in get_args(DeviceState):
            raise InputError(f"{state!r} is not a device state")
        return cls(
            class_id=parse_class_id(fields.text(data, "class")),
            state=cast("DeviceState", state),
            pins=fields.mapping(data, "pins", lambda item: parse_digest(fields.string(item))),
            units=fields.mapping(data, "units", fields.string),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the row as `from_dict` reads it."""
        row: dict[str, Json] = {"class": self.class_id, "state": self.state}
        if self.pins:
            row["pins"] = dict(self.pins)
        if self.units:
            row["units"] = dict(self.units)
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexShard:
    """The rows of all devices whose id hashes to one prefix; an empty shard exists too."""

    devices: Mapping[DeviceId, IndexRow]
    """Device to row."""

    @classmethod
    def decode(cls, content: bytes) -> "IndexShard":
        """Read a shard from its bytes.

        Raises:
            InputError: Not an index shard.
        """
        data = fields.document(decode(content, limit=MAX_SHARD_BYTES), "IndexShard")
        rows = fields.mapping(data, "devices", IndexRow.from_dict)
        return cls(devices={parse_device_id(device): row for device, row in rows.items()})

    def encode(self) -> bytes:
        """Write the shard in canonical bytes."""
        rows: dict[str, Json] = {device: row.to_dict() for device, row in self.devices.items()}
        return encode({"apiVersion": API_VERSION, "kind": "IndexShard", "devices": rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogShard:
    """The class files of all classes whose id starts with one prefix."""

    classes: Mapping[str, Mapping[str, Digest]]
    """Class id to model to digest of the class file."""

    @classmethod
    def decode(cls, content: bytes) -> "CatalogShard":
        """Read a shard from its bytes.

        Raises:
            InputError: Not a catalog shard.
        """
        data = fields.document(decode(content, limit=MAX_SHARD_BYTES), "CatalogShard")

        def models(value: object) -> Mapping[str, Digest]:
            entry = fields.members(value, "class")
            return {parse_name(model): parse_digest(fields.string(digest)) for model, digest in entry.items()}

        classes = fields.mapping(data, "classes", models)
        return cls(classes={parse_class_id(class_id): entry for class_id, entry in classes.items()})

    def encode(self) -> bytes:
        """Write the shard in canonical bytes."""
        classes: dict[str, Json] = {class_id: dict(models) for class_id, models in self.classes.items()}
        return encode({"apiVersion": API_VERSION, "kind": "CatalogShard", "classes": classes})


def parse_class_id(text: str) -> str:
    """Parse a class id: the first 16 hexadecimal digits of a SHA-256.

    Raises:
        InputError: Another form.
    """
    if len(text) != 16 or any(sign not in "0123456789abcdef" for sign in text):
        raise InputError(f"{text[:40]!r} is not a class id: 16 hexadecimal digits")
    return text
