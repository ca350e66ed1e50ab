"""Reports as they arrive over MQTT 5: held, unacknowledged, until a collector has committed them.

The broker delivers no more than `HELD_MOST` that are not acknowledged, so memory is bounded whoever floods it, and it
delivers what was not acknowledged again: to this process after a broken connection, to the next one after a crash.
"""

import errno
import hashlib
import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ringtide_contract.broker import (
    Presence,
    Taken,
    device_topic,
    parse_device_topic,
    parse_number,
)
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId
from ringtide_contract.report import MAX_REPORT_BYTES
from ringtide_engine.adapters.mqtt_address import MqttAddress
from ringtide_engine.ports import Letter

HELD_MOST = 256
"""Reports held at once; with the largest of them 32 MiB."""

SESSION_S = 24 * 3600
"""The broker keeps what arrives for a collector that is away for so long; after that devices send it again."""

PRESENCES_MOST = 20_000
"""Devices whose connection is known; beyond, the ones heard of first are forgotten."""

_PACKET_BYTES = 2 * MAX_REPORT_BYTES + 512
_RECONNECT_S = (1, 60)
_LOOK_S = 0.5

_log = logging.getLogger("ringtide.collect")


class _BoundedClient(Client):
    """Ends the connection at a packet above `_PACKET_BYTES`: the library states a limit and takes whatever comes."""

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read; the library asks first for all that a packet has left. It has no public name for this."""
        if bufsize > _PACKET_BYTES:
            raise OSError(errno.EMSGSIZE, f"the broker sends a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)


class MqttInbox:
    """Implements `ports.Inbox`."""

    def __init__(self, address: str, fleet: str, collector: str) -> None:
        """Prepare to connect.

        Args:
            address: As `MqttAddress.parse` reads it.
            fleet: The fleet whose reports are taken.
            collector: Name of the collector.

        Raises:
            InputError: Another kind of address, or TLS files that cannot be used.
        """
        self._address, self._fleet = MqttAddress.parse(address), fleet
        self._state = threading.Condition()
        self._held: dict[tuple[int, int], Letter] = {}
        self._presences: dict[DeviceId, Presence] = {}
        self._connection, self._listening, self._trouble = 0, False, "not connected yet"
        self._hurried = False
        context = self._address.context()
        self._client = client = _BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=_client_name(self._address, fleet, collector),
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.reconnect_delay_set(*_RECONNECT_S)
        client.on_connect, client.on_connect_fail = self._connected, self._unconnected
        client.on_disconnect, client.on_subscribe = self._disconnected, self._subscribed
        client.on_message = self._arrived
        if context is not None:
            client.tls_set_context(context)
        if self._address.login is not None:
            client.username_pw_set(*self._address.login)

    def start(self) -> None:
        """Connect in the background, again and again with growing pauses; what waits at the broker arrives."""
        asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        asked.SessionExpiryInterval = SESSION_S
        asked.ReceiveMaximum = HELD_MOST
        asked.MaximumPacketSize = _PACKET_BYTES
        self._client.connect_async(self._address.host, self._address.port, clean_start=False, properties=asked)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays at the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def trouble(self) -> str:
        """Why nothing can arrive; empty where it can."""
        return "" if self._listening else f"{self._address.host}:{self._address.port}: {self._trouble}"

    def letters(self, wait_s: float) -> tuple[Letter, ...]:
        """Return what is held, in order of arrival, after `wait_s` or as soon as no more may be held."""
        end = time.monotonic() + wait_s
        with self._state:
            while len(self._held) < HELD_MOST and not self._hurried and (left := end - time.monotonic()) > 0:
                self._state.wait(min(left, _LOOK_S))
            return tuple(self._held.values())

    def hurry(self) -> None:
        """Wait no more; a signal handler may say so, since it takes no lock."""
        self._hurried = True

    def done(self, letters: Sequence[Letter]) -> None:
        """Acknowledge letters: they are committed, or will never be."""
        with self._state:
            for letter in letters:
                self._held.pop(letter.mark, None)
            marks = [letter.mark for letter in letters if letter.mark[0] == self._connection]
        for _, mid in marks:  # a number of an earlier connection may mean another message now
            self._client.ack(mid, 1)

    def tell(self, device: DeviceId, taken: Taken) -> None:
        """Tell a device how far its reports are committed; what does not get through is told again when it asks."""
        self._client.publish(device_topic(self._fleet, device, "taken"), taken.encode(), qos=0, retain=True)

    def presences(self) -> Mapping[DeviceId, Presence]:
        """Return what devices, or the broker in their stead, said of their connections last."""
        with self._state:
            return MappingProxyType(dict(self._presences))

    def _connected(
        self, client: Client, _user: Any, _flags: Any, reason: ReasonCode, _given: Properties | None
    ) -> None:
        if reason.is_failure:
            self._tell(listening=False, trouble=f"the broker refused the connection: {reason}")
            return
        with self._state:
            self._connection += 1
            self._held.clear()  # the broker delivers them again, under numbers of this connection
        fresh = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        kept = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
        topics = [(self._filter("reports/+"), fresh), (self._filter("alive"), kept)]
        client.subscribe(topics)

    def _subscribed(
        self, _client: Client, _user: Any, _mid: int, reasons: list[ReasonCode], _given: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._tell(listening=False, trouble=f"the broker keeps the reports of {self._fleet} from us: {refused[0]}")
        else:
            self._tell(listening=True, trouble="")

    def _unconnected(self, _client: Client, _user: Any) -> None:
        self._tell(listening=False, trouble=str(sys.exc_info()[1] or "not reachable"))  # paho calls from its `except`

    def _disconnected(
        self, _client: Client, _user: Any, _flags: Any, reason: ReasonCode, _given: Properties | None
    ) -> None:
        self._tell(listening=False, trouble=f"the connection ended: {reason}")

    def _arrived(self, client: Client, _user: Any, message: MQTTMessage) -> None:
        """Hold a report, note a presence, and drop all else."""
        try:
            device, rest = parse_device_topic(message.topic, self._fleet)
            if rest == "alive":
                self._note(device, Presence.decode(bytes(message.payload)) if message.payload else None)
                client.ack(message.mid, message.qos)
                return
            number = parse_number(rest)
        except (InputError, UnicodeDecodeError):  # the library passes on a topic that is no text
            client.ack(message.mid, message.qos)
            return
        if message.qos != 1 or len(message.payload) > 2 * MAX_REPORT_BYTES:
            client.ack(message.mid, message.qos)
            return
        with self._state:
            if len(self._held) < HELD_MOST:  # a broker that sends more gets no acknowledgement for it
                mark = (self._connection, message.mid)
                self._held[mark] = Letter(device=device, number=number, content=bytes(message.payload), mark=mark)
            if len(self._held) >= HELD_MOST:
                self._state.notify_all()

    def _note(self, device: DeviceId, presence: Presence | None) -> None:
        with self._state:
            before = self._presences.pop(device, None)
            if presence is None:
                return
            if before is not None and before.session != presence.session and not presence.alive:
                presence = before  # the late will of an earlier run
            self._presences[device] = replace(presence, session=presence.session[:64])
            while len(self._presences) > PRESENCES_MOST:
                del self._presences[next(iter(self._presences))]

    def _filter(self, rest: str) -> str:
        return device_topic(self._fleet, "+", rest)

    def _tell(self, *, listening: bool, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _log.warning("the broker %s:%s: %s", self._address.host, self._address.port, trouble)
        with self._state:
            self._listening, self._trouble = listening, trouble


def _client_name(address: MqttAddress, fleet: str, collector: str) -> str:
    """Return a name that stays, so that the broker keeps what arrives meanwhile, and that no device can guess."""
    try:
        secret = b"" if address.key is None else Path(address.key).read_bytes()
    except OSError as error:
        raise InputError(f"{address.key}: {error.strerror}") from error
    login = "" if address.login is None else address.login[1]
    return (
        "ringtide-"
        + hashlib.sha256(b"\0".join((secret, login.encode(), fleet.encode(), collector.encode()))).hexdigest()[:32]
    )
