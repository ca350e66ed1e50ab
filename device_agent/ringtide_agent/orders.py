"""What the newest accepted publication says of this device, as the journal keeps it for a restart without a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast, get_args

from ringtide_contract import fields
from ringtide_contract.acceptance import Accepted, Floor
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.class_file import Assignment, RingRange
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, format_instant, parse_digest, parse_instant, parse_name, sha256
from ringtide_contract.index import DeviceState
from ringtide_contract.manifest import Manifest
from ringtide_contract.quarantine import Quarantine

MAX_ORDERS_BYTES = 8 * 1024 * 1024
"""A hundred models of the largest manifest and the largest quarantine list fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What this device shall run of one model."""

    assignment: Assignment
    """Which manifest, why, and from when."""
    content: bytes | None
    """The manifest as it was received, since its digest covers members that this version does not know; None where
    the model is not to be installed."""
    manifest: Manifest | None
    """The manifest, read."""

    def to_dict(self) -> dict[str, Json]:
        """Write the order as `order_from_dict` reads it."""
        place = self.assignment.bucket
        return {
            "manifest": self.assignment.manifest,
            "reason": self.assignment.reason,
            "ring": None if self.assignment.ring is None else self.assignment.ring.to_dict(),
            "bucket": None if place is None else f"{place:016x}",
            "turn": f"{self.assignment.turn:016x}",
            "content": None if self.content is None else self.content.decode("utf-8"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Everything the device acts on between two publications."""

    floor: Floor
    """Number and digest of the publication."""
    issued_at: datetime
    """When it was signed: no honest clock shows an earlier time."""
    not_after: datetime
    """From then on nothing is installed by it."""
    state: DeviceState
    """Whether the device takes new releases."""
    models: Mapping[str, Order]
    """Model to what shall run."""
    quarantine: Quarantine
    """What may not be activated."""

    @classmethod
    def of(cls, accepted: Accepted, contents: Mapping[Digest, bytes]) -> "Orders":
        """Derive the orders from an accepted publication.

        Args:
            accepted: The publication.
            contents: The manifests as received, by digest.
        """
        return cls(
            floor=accepted.floor,
            issued_at=accepted.publication.issued_at,
            not_after=accepted.publication.not_after,
            state=accepted.row.state,
            models={
                model: Order(
                    assignment=desired.assignment,
                    content=None if desired.assignment.manifest is None else contents[desired.assignment.manifest],
                    manifest=desired.manifest,
                )
                for model, desired in accepted.desired.items()
            },
            quarantine=accepted.quarantine,
        )

    @classmethod
    def decode(cls, content: bytes) -> "Orders":
        """Read what `encode` wrote.

        Raises:
            InputError: Damaged.
        """
        data = fields.members(decode(content, limit=MAX_ORDERS_BYTES), "orders")
        state = fields.text(data, "state")
        if state not in get_args(DeviceState):
            raise InputError(f"{state[:20]!r} is not a device state")
        models = fields.mapping(data, "models", order_from_dict)
        return cls(
            floor=Floor(
                epoch=fields.integer(data, "epoch", least=1),
                generation=fields.integer(data, "generation", least=1),
                payload=parse_digest(fields.text(data, "statement")),
            ),
            issued_at=parse_instant(fields.text(data, "issuedAt")),
            not_after=parse_instant(fields.text(data, "notAfter")),
            state=cast("DeviceState", state),
            models={parse_name(model): order for model, order in models.items()},
            quarantine=Quarantine.decode(fields.text(data, "quarantine").encode("utf-8")),
        )

    @property
    def artifacts(self) -> tuple[Digest, ...]:
        """Every artifact that the orders name: what garbage collection must leave."""
        manifests = (order.manifest for order in self.models.values())
        return tuple(artifact.sha256 for manifest in manifests if manifest for artifact in manifest.artifacts)

    def encode(self) -> bytes:
        """Write the orders for the journal."""
        models: dict[str, Json] = {model: order.to_dict() for model, order in self.models.items()}
        return encode(
            {
                "epoch": self.floor.epoch,
                "generation": self.floor.generation,
                "statement": self.floor.payload,
                "issuedAt": format_instant(self.issued_at),
                "notAfter": format_instant(self.not_after),
                "state": self.state,
                "models": models,
                "quarantine": self.quarantine.encode().decode("utf-8"),
            }
        )


def order_from_dict(value: object) -> Order:
    """Read an order from decoded JSON.

    Raises:
        InputError: A member is missing or wrong, or the manifest is not the one that its digest names.
    """
    data = fields.members(value, "order")
    digest, text = fields.optional_text(data, "manifest"), fields.optional_text(data, "content")
    content = None if text is None else text.encode("utf-8")
    if (None if content is None else sha256(content)) != digest:
        raise InputError("the manifest in the journal is not the one that its digest names")
    place = _number(data, "bucket")
    return Order(
        assignment=Assignment(
            manifest=None if digest is None else parse_digest(digest),
            reason=fields.text(data, "reason"),
            ring=None if data.get("ring") is None else RingRange.from_dict(data["ring"]),
            bucket=place,
            turn=_number(data, "turn") or 0,
        ),
        content=content,
        manifest=None if content is None else Manifest.decode(content),
    )


def _number(data: Mapping[str, object], key: str) -> int | None:
    text = fields.optional_text(data, key)
    try:
        return None if text is None else int(text, 16)
    except ValueError as error:
        raise InputError(f"{text!r} is not a {key}") from error
