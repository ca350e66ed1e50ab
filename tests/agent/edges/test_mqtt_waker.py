"""Hints over MQTT 5: any message on the fleet's topic wakes, nothing in it is believed, a flood wakes rarely."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.publish
import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from fakes.broker import FLEET, MqttBroker, needs_broker, until
from ringtide_agent.adapters import mqtt_waker
from ringtide_agent.adapters.mqtt_waker import Broker, MqttWaker
from ringtide_contract.errors import InputError, TransientError
from ringtide_engine.adapters.mqtt_notifier import MqttNotifier

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
with_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        yield Broker(host="127.0.0.1", port=port, tls=False)
        process.terminate()


def publish(broker: Broker, topic: str) -> None:
    for _ in range(100):
        try:
            paho.mqtt.publish.single(
                topic, b"\xff", qos=1, retain=True, hostname=broker.host, port=broker.port,
                protocol=MQTTProtocolVersion.MQTTv5,
            )  # fmt: skip
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("the broker did not come up")


@pytest.mark.mqtt
@with_broker
def test_a_hint_of_the_own_fleet_wakes_and_others_do_not(broker: Broker) -> None:
    woken = threading.Event()
    waker = MqttWaker(broker, "acme", woken.set, spread_s=0)
    publish(broker, "ringtide/v1/other/hint")
    waker.start()
    try:
        assert not woken.wait(0.5)
        publish(broker, "ringtide/v1/acme/hint")
        assert woken.wait(10)
    finally:
        waker.stop()


class Held:
    """Counts wakes of a waker that is fed by hand."""

    def __init__(self) -> None:
        self.wakes = 0
        self.waker = MqttWaker(Broker(host="127.0.0.1", port=1, tls=False), "acme", self.wake, spread_s=0)

    def wake(self) -> None:
        self.wakes += 1

    def deliver(self) -> None:
        deliver: Callable[..., None] = self.waker._hinted
        deliver(None, None, MQTTMessage())


def test_a_flood_of_hints_wakes_once_an_interval() -> None:
    held = Held()

    def deliver_all() -> None:
        for _ in range(100):
            held.deliver()

    flood = threading.Thread(target=deliver_all)
    flood.start()
    flood.join(0.2)
    assert flood.is_alive(), "the second hint waits out the interval"
    assert held.wakes == 1
    held.waker.stop()
    flood.join(10)
    assert not flood.is_alive()
    assert held.wakes == 1


@pytest.mark.mqtt
@needs_broker
def test_a_broker_that_was_away_is_heard_again_and_its_last_hint_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_waker, "_RECONNECT_FIRST_S", (1, 1))
    monkeypatch.setattr(mqtt_waker, "LEAST_INTERVAL_S", 0.0)
    away = MqttBroker(tmp_path / "broker").start()
    certificate, key = away.issue("edge-s-0001")
    broker = Broker(
        host="127.0.0.1", port=away.port, tls=True, tls_authority=str(away.authority_file),
        tls_certificate=str(certificate), tls_key=str(key),
    )  # fmt: skip
    wakes: list[int] = []
    waker = MqttWaker(broker, FLEET, lambda: wakes.append(1), spread_s=0)
    waker.start()
    try:
        until(waker._client.is_connected)
        MqttNotifier(away.url("ringtide.publisher")).hint(FLEET, "a" * 40)
        until(lambda: wakes)
        away.stop()
        until(lambda: not waker._client.is_connected())
        away.start()
        until(waker._client.is_connected, 60)
        before = len(wakes)
        MqttNotifier(away.url("ringtide.publisher")).hint(FLEET, "b" * 40)
        until(lambda: len(wakes) > before)
        for _ in range(3):
            waker._client.subscribe(waker._topic, qos=1)
        threading.Event().wait(1)
        assert len(wakes) == before + 1, "the same retained hint again wakes nobody"
    finally:
        waker.stop()
        away.stop()


def test_an_unreachable_broker_neither_fails_nor_holds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_waker, "_RECONNECT_FIRST_S", (1, 1))
    waker = MqttWaker(Broker(host="127.0.0.1", port=free_port(), tls=False), "acme", lambda: None, spread_s=0)
    before = set(threading.enumerate())  # other tests of this process may have left some
    waker.start()
    waker.stop()
    assert set(threading.enumerate()) <= before


def test_tls_files_that_are_not_there_are_named() -> None:
    broker = Broker(host="127.0.0.1", port=1, tls=True, tls_authority="/nowhere.pem")
    with pytest.raises(InputError, match=r"TLS files of \[mqtt\]"):
        MqttWaker(broker, "acme", lambda: None, spread_s=0)


@pytest.mark.mqtt
@with_broker
def test_a_broker_is_tried_out(broker: Broker) -> None:
    publish(broker, "ringtide/v1/other/hint")
    assert MqttWaker(broker, "acme", _never, spread_s=0).try_out(20) == "ringtide/v1/acme/hint"


def test_a_silent_broker_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = Broker(host="127.0.0.1", port=silent.getsockname()[1], tls=False)
        with pytest.raises(TransientError, match=rf"127.0.0.1:{place.port}: no answer within 0.5 s"):
            MqttWaker(place, "acme", _never, spread_s=0).try_out(0.5)


def _never() -> None:
    raise AssertionError("nothing is woken")
