"""A broker that speaks no clean MQTT neither fills memory nor makes a device, or a collector, deaf for good."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ringtide_agent.adapters import mqtt_waker
from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.mqtt_reports import MqttReports
from ringtide_agent.adapters.mqtt_waker import Broker, MqttWaker
from ringtide_contract.ids import parse_device_id
from ringtide_engine.adapters import mqtt_inbox
from ringtide_engine.adapters.mqtt_inbox import MqttInbox

END_S = 20.0
TAKEN = b"\x20\x03\x00\x00\x00"
"""A connection is accepted."""
LARGE = 200_000_000
STEP = bytes(64 * 1024)


def packet(kind: int, body: bytes, length: int | None = None) -> bytes:
    left, head = len(body) if length is None else length, bytes([kind])
    while True:
        digit, left = left % 128, left // 128
        head += bytes([digit | (128 if left else 0)])
        if not left:
            return head + body


@contextmanager
def broker(first: bytes, then: bytes = b"") -> Iterator[tuple[int, list[int]]]:
    """Answer every connection with some bytes; yields the port, and how much each connection took."""
    taken: list[int] = []
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def treat(connection: socket.socket, number: int) -> None:
            with contextlib.suppress(OSError), connection:
                connection.recv(65536)
                connection.sendall(first)
                while then and not ended.is_set():
                    taken[number] += connection.send(then)
                ended.wait(END_S)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    connection = listener.accept()[0]
                    taken.append(0)
                    threading.Thread(target=treat, args=(connection, len(taken) - 1), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], taken
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(END_S)


@contextmanager
def waker(port: int) -> Iterator[None]:
    made = MqttWaker(Broker(host="127.0.0.1", port=port, tls=False), "acme", lambda: None, spread_s=0)
    made.start()
    try:
        yield
    finally:
        made.stop()


@contextmanager
def sender(port: int) -> Iterator[None]:
    access = MqttAccess(url=f"mqtt://127.0.0.1:{port}")
    made = MqttReports(access, fleet="acme", device=parse_device_id("crane-07"), session="s")
    made.start()
    assert made._client is not None
    made._client.reconnect_delay_set(1, 1)
    try:
        yield
    finally:
        made.stop()


@contextmanager
def collector(port: int) -> Iterator[None]:
    made = MqttInbox(f"mqtt://127.0.0.1:{port}", "acme", "main")
    made.start()
    try:
        yield
    finally:
        made.stop()


LISTENERS = pytest.mark.parametrize("listener", [waker, sender, collector])
Listener = Callable[[int], "contextlib.AbstractContextManager[None]"]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_waker, "_RECONNECT_FIRST_S", (1, 1))
    monkeypatch.setattr(mqtt_waker, "LEAST_INTERVAL_S", 0.0)
    monkeypatch.setattr(mqtt_inbox, "_RECONNECT_S", (1, 1))


def comes_back(connections: list[int]) -> bool:
    """Say whether a second connection was made after the first one ended."""
    pause, waited = threading.Event(), 0.0
    while len(connections) < 2 and waited < END_S:
        waited += 0.05 if not pause.wait(0.05) else 0.0
    return len(connections) >= 2


@LISTENERS
def test_a_packet_above_the_limit_ends_the_connection_and_is_not_read(listener: Listener) -> None:
    """The library took up to 256 MiB, whatever limit was stated to the broker."""
    with broker(TAKEN + packet(0x30, b"\0\x04acme\0", LARGE), STEP) as (port, taken), listener(port):
        assert comes_back(taken), "it takes the packet"
    assert max(taken) < LARGE // 10, "what the sockets hold"


@LISTENERS
@pytest.mark.parametrize(
    "said",
    [
        packet(0x20, b"\0\x55\0"),
        TAKEN + packet(0x30, b"\0\x01a\x07\x26\0\x01\xff\0\x01\xffx"),
        TAKEN + packet(0x90, b""),
        b"\x30\xff\xff\xff\xff\xff",
    ],
    ids=["reason", "property", "suback", "length"],
)
def test_what_is_no_mqtt_ends_the_connection_and_not_the_listener(listener: Listener, said: bytes) -> None:
    with broker(said) as (port, connections), listener(port):
        assert comes_back(connections), "it is deaf"


@LISTENERS
def test_a_topic_that_is_no_text_makes_nobody_deaf(listener: Listener) -> None:
    odd = packet(0x32, b"\0\x02\xff\xfe\0\x01\0x")
    with broker(TAKEN + odd + odd + packet(0xF0, b"")) as (port, connections), listener(port):
        assert comes_back(connections), "it is deaf"
