"""Who is connected to the broker, as a collector heard it: shown to people, never counted."""

from collections.abc import Mapping

from ringtide_contract import API_VERSION, fields
from ringtide_contract.broker import Presence
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.ids import DeviceId, parse_device_id
from ringtide_engine.model.desired import DesiredState

PRESENCE_PATH = "presence.json"
"""On the branch of a collector, beside its state."""

MAX_PRESENCE_BYTES = 4 * 1024 * 1024


def encode_presences(presences: Mapping[DeviceId, Presence], state: DesiredState) -> bytes:
    """Write what was heard of enrolled devices."""
    devices: dict[str, Json] = {
        device: {"alive": presence.alive, "session": presence.session}
        for device, presence in presences.items()
        if device in state.devices
    }
    return encode({"apiVersion": API_VERSION, "kind": "Presence", "devices": devices})


def decode_presences(content: bytes) -> Mapping[DeviceId, bool]:
    """Return device to whether it was connected.

    Raises:
        InputError: Not such a file.
    """
    data = fields.document(decode(content, limit=MAX_PRESENCE_BYTES), "Presence")

    def alive(value: object) -> bool:
        return fields.boolean(fields.members(value, "presence"), "alive")

    return {parse_device_id(name): said for name, said in fields.mapping(data, "devices", alive).items()}
