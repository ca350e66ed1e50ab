"""Reports over MQTT 5: through a broker to a collector, which says when it has committed them.

A broker's acknowledgement alone empties no outbox: the broker may lose what it took, and there may be no collector. The
outbox is the store; the broker only carries. A report that the broker took is offered again after `RESEND_S`, and expires
there at that time, so that a broker never holds it twice.
"""

import contextlib
import hashlib
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.mqtt_client import BoundedClient
from ringtide_contract.broker import MAX_MESSAGE_BYTES, Presence, Taken, device_topic
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId, sha256
from ringtide_contract.report import MAX_REPORT_BYTES

DEADLINE_S = 60.0
"""For one push, the wait for the collector's commit included."""

RESEND_S = 900
"""A collector commits within minutes. What it has not confirmed by then has been lost on the way, or nobody collects."""

WILL_DELAY_S = 60
"""A connection that is back within a minute was never gone."""

_RECONNECT_MOST_S = 120
_NO_SUBSCRIBER = 16
_TOPIC_BYTES = 512
"""Room for topic and properties in a packet."""

_PACKET_BYTES = MAX_MESSAGE_BYTES + _TOPIC_BYTES

_log = logging.getLogger("ringtide.agent")


class MqttReports:
    """Implements `ports.ReportSink` with one lasting connection, whose end the broker tells."""

    def __init__(
        self, access: MqttAccess, *, fleet: str, device: DeviceId, session: str, deadline_s: float = DEADLINE_S
    ) -> None:
        """Prepare to connect.

        Args:
            access: How to reach the broker.
            fleet: The device's fleet.
            device: The device.
            session: Random name of this run of the agent.
            deadline_s: Seconds for one push.

        Raises:
            InputError: A certificate or key cannot be used.
        """
        self._access, self._fleet, self._device = access, fleet, device
        self._session, self._deadline_s = session, deadline_s
        self._context = access.context()
        self._name = _client_name(access, fleet, device)
        self._state = threading.Condition()
        self._ready, self._trouble = False, "not connected yet"
        self._packet_bytes: int | None = None
        self._taken: Taken | None = None
        self._confirmed_s = 0.0
        self._answers: dict[int, ReasonCode] = {}
        self._sent: dict[int, float] = {}
        self._client: Client | None = None

    def start(self) -> None:
        """Connect in the background, again and again with growing pauses."""
        client = BoundedClient(_PACKET_BYTES, self._name)
        # A fleet that lost its broker must not come back as one; nothing rests on the quality of the chance.
        client.reconnect_delay_set(random.randint(1, 10), _RECONNECT_MOST_S)  # noqa: S311
        client.on_connect, client.on_connect_fail = self._connected, self._unconnected
        client.on_disconnect, client.on_subscribe = self._disconnected, self._subscribed
        client.on_message, client.on_publish = self._said, self._answered
        if self._context is not None:
            client.tls_set_context(self._context)
        late = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        late.WillDelayInterval = WILL_DELAY_S
        will = Presence(session=self._session, alive=False).encode()
        client.will_set(self._topic("alive"), will, qos=1, retain=True, properties=late)
        asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        asked.SessionExpiryInterval = WILL_DELAY_S
        asked.MaximumPacketSize = _PACKET_BYTES
        client.connect_async(self._access.host, self._access.port, properties=asked)
        client.loop_start()
        self._client = client

    def stop(self) -> None:
        """Say so and disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._ready:
            gone = Presence(session=self._session, alive=False).encode()
            with contextlib.suppress(RuntimeError, ValueError):  # the connection has just ended: the will says it
                client.publish(self._topic("alive"), gone, qos=1, retain=True).wait_for_publish(1)
        self._end(client)

    def push(self, device: DeviceId, reports: Mapping[int, bytes]) -> None:
        """Send what the collector has not confirmed, and wait for its word on the last of them.

        Raises:
            TransientError: No connection, refused by the broker, or no collector has confirmed them within the deadline;
                they stay in the outbox.
        """
        if device != self._device or not reports:
            return
        end = time.monotonic() + self._deadline_s
        self._await(lambda: self._ready, end)
        with self._state:
            ready, trouble = self._ready, self._trouble
            self._sent = {number: at for number, at in self._sent.items() if number in reports}
        if not ready:
            raise TransientError(f"{self._access.url}: {trouble}")
        settled = self._settled(reports)
        waiting = sorted(number for number in reports if number > settled)
        chosen = due(waiting, self._sent, self._confirmed_s, time.monotonic())
        self._offer(reports, chosen[:1], end)  # the first alone: it tells whether anybody collects
        self._offer(reports, chosen[1:], end)
        last = max(reports)
        self._await(lambda: self._settled(reports) >= last, end)
        if self._settled(reports) < last:
            raise TransientError(f"{self._access.url}: {self._doubt(reports)}")

    def _offer(self, reports: Mapping[int, bytes], numbers: list[int], end: float) -> None:
        """Publish reports and wait until the broker has answered for each."""
        client = self._client
        if client is None:
            raise TransientError("the agent is stopping")
        expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        expiry.MessageExpiryInterval = RESEND_S
        with self._state:
            self._answers.clear()
        for number in numbers:
            if self._packet_bytes is not None and len(reports[number]) + _TOPIC_BYTES > self._packet_bytes:
                raise TransientError(
                    f"{self._access.url}: report {number} has {len(reports[number])} bytes, the broker takes packets of "
                    f"{self._packet_bytes}. fix: raise its max_packet_size to {2 * MAX_REPORT_BYTES + _TOPIC_BYTES}"
                )
        mids: dict[int, int] = {}
        for number in numbers:
            sent = client.publish(self._topic(f"reports/{number}"), reports[number], qos=1, properties=expiry)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._renew()
                raise TransientError(f"{self._access.url}: the connection broke: {self._trouble}")
            mids[number] = sent.mid
        self._await(lambda: all(mid in self._answers for mid in mids.values()), end)
        with self._state:
            answers = {number: self._answers.get(mid) for number, mid in mids.items()}
        for number, answer in answers.items():
            if answer is None:
                self._renew()
                raise TransientError(f"{self._access.url}: the broker did not confirm report {number}: {self._trouble}")
            if answer.is_failure:
                raise TransientError(f"{self._access.url}: the broker refused report {number}: {answer}")
            if answer.value == _NO_SUBSCRIBER:
                raise TransientError(f"{self._access.url}: no collector listens")
            self._sent[number] = time.monotonic()

    def _settled(self, reports: Mapping[int, bytes]) -> int:
        """Return the highest number that the collector has committed, as far as it is a report of ours."""
        taken = self._taken
        if taken is None or taken.number not in reports or _payload(reports[taken.number]) != taken.payload:
            return 0
        return taken.number

    def _doubt(self, reports: Mapping[int, bytes]) -> str:
        """Say why reports are not settled."""
        taken = self._taken
        if taken is not None and (
            taken.number > max(reports) or (taken.number in reports and not self._settled(reports))
        ):
            return (
                f"the collector has another report {taken.number} under this device's name: its disk was set back, or two "
                "devices share one key. fix: enroll it again with a new key"
            )
        return "the broker has the reports, and no collector has confirmed them yet"

    def _await(self, happened: Callable[[], bool], end: float) -> None:
        with self._state:
            self._state.wait_for(happened, max(0.0, end - time.monotonic()))

    def _renew(self) -> None:
        """Connect anew: the library would keep what is half sent, and send it beside the next offer."""
        client = self._client
        if client is not None:
            self._end(client)
            self._ready = False
            self.start()

    def _end(self, client: Client) -> None:
        client.disconnect()
        client.loop_stop()

    def _topic(self, rest: str) -> str:
        return device_topic(self._fleet, self._device, rest)

    def _connected(self, client: Client, _user: Any, _flags: Any, reason: ReasonCode, given: Properties | None) -> None:
        if reason.is_failure:
            self._tell(ready=False, trouble=f"the broker refused the connection: {reason}")
            return
        self._packet_bytes = getattr(given, "MaximumPacketSize", None)
        client.publish(self._topic("alive"), Presence(session=self._session, alive=True).encode(), qos=1, retain=True)
        client.subscribe(self._topic("taken"), qos=1)

    def _subscribed(
        self, _client: Client, _user: Any, _mid: int, reasons: list[ReasonCode], _given: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._tell(ready=False, trouble=f"the broker keeps {self._topic('taken')} from this device: {refused[0]}")
        else:
            self._tell(ready=True, trouble="")

    def _unconnected(self, _client: Client, _user: Any) -> None:
        self._tell(ready=False, trouble=str(sys.exc_info()[1] or "not reachable"))  # paho calls from its `except`

    def _disconnected(
        self, _client: Client, _user: Any, _flags: Any, reason: ReasonCode, _given: Properties | None
    ) -> None:
        self._tell(ready=False, trouble=f"the connection ended: {reason}")
        if reason.getName() == "Session taken over":
            _log.warning(
                "the broker gave this device's connection to another: two devices share one key and certificate"
            )

    def _said(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        try:
            taken = Taken.decode(bytes(message.payload))
        except InputError as error:
            _log.warning("the collector's word was not understood: %s", error)
            return
        with self._state:
            self._taken, self._confirmed_s = taken, time.monotonic()
            self._state.notify_all()

    def _answered(self, _client: Client, _user: Any, mid: int, reason: ReasonCode, _given: Properties | None) -> None:
        with self._state:
            self._answers[mid] = reason
            self._state.notify_all()

    def _tell(self, *, ready: bool, trouble: str) -> None:
        with self._state:
            self._ready, self._trouble = ready, trouble
            self._state.notify_all()


def due(waiting: list[int], sent: Mapping[int, float], confirmed_s: float, now_s: float) -> list[int]:
    """Return which of the numbers that wait are to be sent now, in order.

    What was never sent, always. What the broker took long ago, again: all of it where the collector has confirmed
    something since, else the first alone, as a probe: an outbox shall not cross a metered line again and again for nobody.
    """
    late = [number for number in waiting if number in sent and now_s - sent[number] >= RESEND_S]
    again = late if any(sent[number] < confirmed_s for number in late) else late[:1]
    return sorted({*again, *(number for number in waiting if number not in sent)})


def _payload(sealed: bytes) -> str:
    return sha256(Envelope.from_dict(decode(sealed, limit=2 * MAX_REPORT_BYTES)).payload)


def _client_name(access: MqttAccess, fleet: str, device: str) -> str:
    """Return a name that stays, so that a new run ends the session of the last, and that no other device can guess."""
    secret = b"" if access.tls_key is None else Path(access.tls_key).read_bytes()
    return "ringtide-" + hashlib.sha256(b"\0".join((secret, fleet.encode(), device.encode()))).hexdigest()[:32]
