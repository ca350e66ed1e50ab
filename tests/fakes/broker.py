"""A real mosquitto with the configuration that the documents show, and certificates for whoever is asked."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fakes.git_server import Authority

ROOT = Path(__file__).resolve().parents[2]
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")
FLEET = "harbour"
COLLECTOR = "ringtide.collector"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true; fail where it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.02)


@dataclass
class MqttBroker:
    """Starts and ends mosquitto; what it knew is gone with it."""

    folder: Path
    extra: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.authority = Authority(self.folder)
        self.files: dict[str, tuple[Path, Path]] = {}
        certificate, key = self.issue("broker")
        text = (ROOT / "docs/broker/mosquitto.conf").read_text()
        for old, new in (
            ("listener 8883", f"listener {self.port} 127.0.0.1\nuser root"),
            ("/etc/mosquitto/ringtide/authority.pem", str(self.authority.path)),
            ("/etc/mosquitto/ringtide/broker.pem", str(certificate)),
            ("/etc/mosquitto/ringtide/broker.key", str(key)),
            ("/etc/mosquitto/ringtide/acl", str(self.folder / "acl")),
        ):
            assert old in text
            text = text.replace(old, new)
        (self.folder / "mosquitto.conf").write_text(text + self.extra)
        access = (ROOT / "docs/broker/acl").read_text()
        (self.folder / "acl").write_text(access.replace("example-fleet", FLEET))
        (self.folder / "acl").chmod(0o600)

    @property
    def authority_file(self) -> Path:
        return self.authority.path

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key for a common name."""
        if name not in self.files:
            self.files[name] = self.authority.issue(name)
        return self.files[name]

    def start(self) -> "MqttBroker":
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self.folder / "mosquitto.conf")], stderr=(self.folder / "log").open("ab")
        )

        def up() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        until(up)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def url(self, name: str) -> str:
        """Return the address as engine commands take it, with the certificate of `name`."""
        certificate, key = self.issue(name)
        return f"mqtts://127.0.0.1:{self.port}?authority={self.authority.path}&certificate={certificate}&key={key}"

    def client(self, name: str) -> Client:
        """Return a connected client with the certificate of `name`."""
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        certificate, key = self.issue(name)
        client.tls_set(str(self.authority.path), str(certificate), str(key))
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        until(client.is_connected)
        return client

    def send(self, name: str, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> str:
        """Publish as `name` and return what the broker answered."""
        answers: list[str] = []
        client = self.client(name)
        client.on_publish = lambda _client, _user, _mid, reason, _given: answers.append(str(reason))
        try:
            client.publish(topic, payload, qos=qos, retain=retain)
            until(lambda: answers)
        finally:
            client.disconnect()
            client.loop_stop()
        return answers[0]
