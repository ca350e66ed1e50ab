"""The devices that a tally calls by name: those that were hurt, and those that are waited for."""

from dataclasses import dataclass

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.ids import DeviceId, parse_device_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """A device that the candidate hurt."""

    device: DeviceId
    """The device."""
    what: str
    """The step that failed, or `crash` where the serving process ended by itself."""

    @classmethod
    def from_dict(cls, value: object) -> "Harm":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "harm")
        return cls(device=parse_device_id(fields.text(data, "device")), what=fields.text(data, "what"))

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {"device": self.device, "what": self.what}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A device that holds its ring."""

    device: DeviceId
    """The device."""
    phase: str
    """Where it stands, as it said last."""

    @classmethod
    def from_dict(cls, value: object) -> "Waiting":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "waiting device")
        return cls(device=parse_device_id(fields.text(data, "device")), phase=fields.text(data, "phase"))

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {"device": self.device, "phase": self.phase}
