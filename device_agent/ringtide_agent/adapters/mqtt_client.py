"""The MQTT library's client, with a bound on packets: the library states one to the broker and takes whatever comes."""

import errno

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


class BoundedClient(Client):
    """Ends the connection at a packet above a size, before any of it is read."""

    def __init__(self, packet_bytes: int, client_id: str = "") -> None:
        """Speak MQTT 5.

        Args:
            packet_bytes: Largest packet that is taken.
            client_id: Name at the broker; empty for one that the broker gives.
        """
        super().__init__(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self._packet_bytes = packet_bytes

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read; the library asks first for all that a packet has left. It has no public name for this."""
        if bufsize > self._packet_bytes:
            raise OSError(errno.EMSGSIZE, f"the broker sends a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)
