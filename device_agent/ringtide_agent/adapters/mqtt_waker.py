"""A hint over MQTT 5 that something was published. It wakes the poll and says nothing that is believed."""

import random
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ringtide_agent.adapters.mqtt_client import BoundedClient
from ringtide_contract.broker import hint_topic
from ringtide_contract.errors import InputError, TransientError

LEAST_INTERVAL_S = 10.0
"""Between two wakes, so that a broker full of hints cannot make the agent poll without pause."""

_RECONNECT_FIRST_S = (1, 10)
"""A fleet that lost its broker must not come back as one: each device draws its first pause."""

_RECONNECT_MOST_S = 120
_MAX_PACKET_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How to reach the broker."""

    host: str
    """Its name or address."""
    port: int
    """Its port."""
    tls: bool
    """Whether to speak TLS; only a broker on the device itself goes without."""
    tls_authority: str | None = None
    """File of the authorities that the broker's certificate is checked against; None for the system's."""
    tls_certificate: str | None = None
    """File of the client certificate."""
    tls_key: str | None = None
    """File of its private key."""


class MqttWaker:
    """Listens for hints on `ringtide/v1/<fleet>/hint`."""

    def __init__(self, broker: Broker, fleet: str, wake: Callable[[], None], *, spread_s: float) -> None:
        """Prepare to listen.

        Args:
            broker: How to reach the broker.
            fleet: The fleet whose hints count.
            wake: Called from another thread after a hint.
            spread_s: A hint takes effect after a random time up to this, so that a fleet does not poll as one.

        Raises:
            InputError: A certificate or key cannot be read.
        """
        self._broker, self._topic, self._wake, self._spread_s = broker, hint_topic(fleet), wake, spread_s
        self._stopping = threading.Event()
        self._client = BoundedClient(_MAX_PACKET_BYTES)
        first = random.randint(*_RECONNECT_FIRST_S)  # noqa: S311 - spreads load, guards nothing
        self._client.reconnect_delay_set(first, _RECONNECT_MOST_S)
        self._known: bytes | None = None
        self._client.on_connect = self._connected
        self._client.on_message = self._hinted
        if broker.tls:
            try:
                context = ssl.create_default_context(cafile=broker.tls_authority)
                if broker.tls_certificate is not None:
                    context.load_cert_chain(broker.tls_certificate, broker.tls_key)
            except OSError as error:
                raise InputError(f"the TLS files of [mqtt] cannot be used: {error}") from error
            self._client.tls_set_context(context)

    def start(self) -> None:
        """Begin to listen; an unreachable broker is tried again with growing pauses."""
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = _MAX_PACKET_BYTES
        self._client.connect_async(self._broker.host, self._broker.port, properties=limits)
        self._client.loop_start()

    def try_out(self, seconds: float) -> str:
        """Connect and subscribe once, and return what was subscribed to.

        Raises:
            TransientError: The broker did not answer in time, or refused.
        """
        answered, said = threading.Event(), [f"no answer within {seconds:g} s"]

        def failed(_client: Client, _user: Any) -> None:
            said[0] = "no connection"

        def connected(_client: Client, _user: Any, _flags: Any, reason: ReasonCode, _: Properties | None) -> None:
            said[0] = f"it answers {reason}"
            if reason.is_failure:
                answered.set()
            else:
                _client.subscribe(self._topic, qos=1)

        def subscribed(_client: Client, _user: Any, _mid: int, reasons: list[ReasonCode], _: Properties | None) -> None:
            said[0] = f"it answers {reasons[0]} to {self._topic}" if reasons[0].is_failure else ""
            answered.set()

        self._client.on_connect, self._client.on_connect_fail = connected, failed
        self._client.on_subscribe, self._client.on_message = subscribed, None
        self.start()
        answered.wait(seconds)
        self.stop()
        if said[0]:
            raise TransientError(f"the broker {self._broker.host}:{self._broker.port}: {said[0]}")
        return self._topic

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, _user: Any, _flags: Any, reason: ReasonCode, _: Properties | None) -> None:
        if not reason.is_failure:
            client.subscribe(self._topic, qos=1)

    def _hinted(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        known, self._known = self._known, bytes(message.payload)
        if message.retain and self._known == known:
            return  # the broker shows its last hint to whoever connects again; it is no news
        # Waiting here holds back the next message, which is what bounds the wakes.
        if not self._stopping.wait(random.uniform(0, self._spread_s)):  # noqa: S311 - spreads load, guards nothing
            self._wake()
            self._stopping.wait(LEAST_INTERVAL_S)
