"""What passes through an MQTT 5 broker: the topics, and two small messages beside the sealed reports.

Nobody signs these two, and nothing rests on them: `Taken` lets a device forget what a collector has committed, and names it
by digest; `Presence` is shown to people.
"""

from dataclasses import dataclass
from ipaddress import ip_address

from ringtide_contract import fields
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, Digest, parse_device_id, parse_digest

MAX_MESSAGE_BYTES = 1024
"""Of `Taken` and `Presence`."""

_MAX_NUMBER_DIGITS = 15


def is_here(host: str) -> bool:
    """Tell whether a broker is on this very machine: to it alone a connection may go in the clear."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def hint_topic(fleet: str) -> str:
    """Return the topic of hints that something was published."""
    return f"ringtide/v1/{fleet}/hint"


def device_topic(fleet: str, device: str, rest: str) -> str:
    """Return a topic of one device: `reports/<number>`, `taken` or `alive`; `+` stands for any device."""
    return f"ringtide/v1/{fleet}/devices/{device}/{rest}"


def parse_device_topic(topic: str, fleet: str) -> tuple[DeviceId, str]:
    """Return the device and the rest of a topic of `device_topic`.

    Raises:
        InputError: Another topic.
    """
    prefix = device_topic(fleet, "", "").removesuffix("/")
    device, slash, rest = topic.removeprefix(prefix).partition("/")
    if not topic.startswith(prefix) or not slash:
        raise InputError(f"{topic[:120]!r} is no topic of a device of {fleet}")
    return parse_device_id(device), rest


def parse_number(rest: str) -> int:
    """Return the number of a topic that ends in `reports/<number>`.

    Raises:
        InputError: It does not.
    """
    digits = rest.removeprefix("reports/")
    plain = digits.isascii() and digits.isdecimal() and not digits.startswith("0")
    if digits == rest or not plain or len(digits) > _MAX_NUMBER_DIGITS:
        raise InputError(f"{rest[:80]!r} is not the place of a report")
    return int(digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How far a collector has committed a device's reports; retained on `taken`, written by the collector."""

    number: int
    """Number of the last report that it committed."""
    payload: Digest
    """SHA-256 of that report's payload: a device forgets nothing for a number that it used for something else."""

    @classmethod
    def decode(cls, content: bytes) -> "Taken":
        """Read the message.

        Raises:
            InputError: Not such a message.
        """
        data = fields.members(decode(content, limit=MAX_MESSAGE_BYTES), "message")
        return cls(number=fields.integer(data, "number", least=1), payload=parse_digest(fields.text(data, "payload")))

    def encode(self) -> bytes:
        """Write the message as `decode` reads it."""
        return encode({"number": self.number, "payload": self.payload})


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a device is connected; retained on `alive`, written by the device, or by the broker as its will."""

    session: str
    """Random name of the agent's run: the will of an earlier run says nothing of this one."""
    alive: bool
    """Whether it is connected."""

    @classmethod
    def decode(cls, content: bytes) -> "Presence":
        """Read the message.

        Raises:
            InputError: Not such a message.
        """
        data = fields.members(decode(content, limit=MAX_MESSAGE_BYTES), "message")
        return cls(session=fields.text(data, "session"), alive=fields.boolean(data, "alive"))

    def encode(self) -> bytes:
        """Write the message as `decode` reads it."""
        return encode({"alive": self.alive, "session": self.session})
