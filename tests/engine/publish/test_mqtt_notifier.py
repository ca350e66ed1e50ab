"""The hint that something was published: retained, confirmed by the broker, and never silently refused."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage

from fakes.broker import FLEET, MqttBroker, needs_broker, until
from ringtide_agent.adapters.mqtt_waker import Broker, MqttWaker
from ringtide_contract.errors import InputError, TransientError
from ringtide_engine.adapters.mqtt_notifier import EXPIRY_S, MqttNotifier

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
with_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")

StartBroker = Callable[[str], int]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Start mosquitto with an access list and return its port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(access: str) -> int:
        port = free_port()
        (tmp_path / "acl").write_text(access)
        (tmp_path / "acl").chmod(0o644)
        tmp_path.chmod(0o755)
        config = tmp_path / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nacl_file {tmp_path}/acl\nuser root\n"
        )
        started.append(subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=subprocess.DEVNULL))
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                threading.Event().wait(0.05)
            else:
                return port
        raise AssertionError("the broker did not come up")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.mark.mqtt
@with_broker
def test_a_device_that_listens_later_still_gets_the_hint(start_broker: StartBroker) -> None:
    port = start_broker("topic readwrite ringtide/#\n")
    MqttNotifier(f"mqtt://127.0.0.1:{port}").hint("harbour", "a" * 40)
    woken = threading.Event()
    waker = MqttWaker(Broker(host="127.0.0.1", port=port, tls=False), "harbour", woken.set, spread_s=0)
    waker.start()
    try:
        assert woken.wait(10)
    finally:
        waker.stop()


@pytest.mark.mqtt
@with_broker
def test_a_hint_that_the_broker_does_not_allow_is_not_called_sent(start_broker: StartBroker) -> None:
    port = start_broker("topic read ringtide/#\n")
    with pytest.raises(TransientError, match="refused the hint: Not authorized"):
        MqttNotifier(f"mqtt://127.0.0.1:{port}").hint("harbour", "a" * 40)


@pytest.mark.mqtt
@needs_broker
def test_a_hint_says_who_sent_it_and_is_kept_for_a_day(tmp_path: Path) -> None:
    broker = MqttBroker(tmp_path / "broker").start()
    try:
        MqttNotifier(broker.url("ringtide.publisher")).hint(FLEET, "a" * 40)
        heard: list[MQTTMessage] = []
        client = broker.client("edge-s-0001")
        client.on_message = lambda _client, _user, message: heard.append(message)
        client.subscribe(f"ringtide/v1/{FLEET}/hint", qos=1)
        until(lambda: heard)
        client.disconnect()
        client.loop_stop()
    finally:
        broker.stop()
    (message,) = heard
    assert message.retain
    assert message.properties is not None
    assert 0 < message.properties.MessageExpiryInterval <= EXPIRY_S == 24 * 3600
    assert message.properties.ContentType == "application/json"
    assert [name for name, _ in message.properties.UserProperty] == ["sender"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mqtts://host?certificate=/c", "belong together"),
        ("mqtt://host?authority=/a", "only mqtts:// takes certificates"),
        ("mqtt://host", "in the clear, which is for a broker on this machine: write mqtts://host"),
        ("mqtt://user:word@10.0.0.1", "in the clear"),
        ("mqtts://host?nonsense=1", "a broker is named"),
        ("mqtts://host:99999", "a broker is named"),
        ("mqtts://host?authority=/nowhere.pem", "TLS files of the broker host cannot be used: /nowhere.pem"),
    ],
)
def test_a_mistake_in_the_address_is_named(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MqttNotifier(address)


def test_a_broker_that_is_not_there_is_a_passing_failure() -> None:
    with pytest.raises(TransientError, match="did not take the hint"):
        MqttNotifier(f"mqtt://127.0.0.1:{free_port()}").hint("harbour", "a" * 40)


@pytest.mark.parametrize("address", ["http://host", "mqtt://", "host:1883"])
def test_another_kind_of_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="a broker is named mqtt"):
        MqttNotifier(address)
