"""Reports over a real broker: device, mosquitto with TLS and access list, collector, reports repository, judge."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from fakes.broker import COLLECTOR, FLEET, MqttBroker, needs_broker, until
from fakes.fleet_files import device_key
from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.reporting_devices import STABLE, ReportingDevice, model
from ringtide_agent.adapters import mqtt_reports
from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.mqtt_reports import MqttReports
from ringtide_contract.broker import Taken, device_topic
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import private_pem
from ringtide_engine.adapters.mqtt_inbox import HELD_MOST, MqttInbox
from ringtide_engine.workflows.collect import collect
from ringtide_engine.workflows.collected import collectors, read_collected
from ringtide_engine.workflows.recording import IngestResult
from ringtide_engine.workflows.why import why

ROOT = Path(__file__).resolve().parents[2]
ONE, OTHER = DeviceId("edge-s-0001"), DeviceId("edge-m-0002")
HOSTILE = "edge-l-0003"

pytestmark = [pytest.mark.journey, pytest.mark.mqtt, needs_broker]


class Clock:
    """The pair's present."""

    def __init__(self, pair: FleetPair) -> None:
        self.pair = pair

    def now(self) -> datetime:
        return self.pair.now


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    return fleet_pair(tmp_path, 3, rollout=None)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    made = MqttBroker(tmp_path / "broker").start()
    yield made
    made.stop()


@contextmanager
def device(
    broker: MqttBroker, name: str = ONE, *, deadline_s: float = 60, session: str = "run"
) -> Iterator[MqttReports]:
    certificate, key = broker.issue(name)
    access = MqttAccess(
        url=f"mqtts://127.0.0.1:{broker.port}",
        tls_certificate=str(certificate),
        tls_key=str(key),
        tls_authority=str(broker.authority_file),
    )
    sink = MqttReports(access, fleet=FLEET, device=DeviceId(name), session=session, deadline_s=deadline_s)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


@contextmanager
def inbox(broker: MqttBroker) -> Iterator[MqttInbox]:
    opened = MqttInbox(broker.url(COLLECTOR), FLEET, "main")
    opened.start()
    try:
        until(lambda: not opened.trouble)
        yield opened
    finally:
        opened.stop()


def take(pair: FleetPair, box: MqttInbox, wait_s: float = 0.5) -> IngestResult | None:
    return collect(pair.fleet, pair.reports, box, collector="main", clock=Clock(pair), wait_s=wait_s)


@contextmanager
def collecting(pair: FleetPair, box: MqttInbox) -> Iterator[list[IngestResult]]:
    """Collect in the background, as the command does."""
    results: list[IngestResult] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            result = take(pair, box, 0.1)
            if result is not None:
                results.append(result)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield results
    finally:
        over.set()
        thread.join()


def outbox(pair: FleetPair, name: str, count: int) -> dict[int, bytes]:
    """Let a device make reports, and return them by number."""
    reporting = pair.devices[name]
    made = [reporting.send({"digits": model("confirmed", STABLE)}) for _ in range(count)]
    first = reporting.number - count + 1
    return {first + index: content for index, (content,) in enumerate(files.values() for files in made)}


def collected_numbers(pair: FleetPair, name: str = ONE) -> list[int]:
    found = read_collected(pair.reports, collectors(pair.reports), pair.state, pair.now)
    return [item.report.number for item in found.observations if item.report.device == name]


def test_a_report_goes_from_the_device_to_the_judge(pair: FleetPair, broker: MqttBroker) -> None:
    with inbox(broker) as box, collecting(pair, box), device(broker) as sink:
        sink.push(ONE, outbox(pair, ONE, 3))
        assert collected_numbers(pair) == [1, 2, 3], "a push returns when all is committed, and not before"
        sink.push(ONE, outbox(pair, ONE, 1))
        said = why(pair.fleet, pair.reports, ONE, now=pair.now)
    assert collected_numbers(pair) == [1, 2, 3, 4]
    assert said.record is not None
    assert (said.record.number, said.record.gaps, said.connected) == (4, 0, True)


def test_without_a_broker_reports_stay_and_arrive_when_it_is_back(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 40)
    with device(broker, deadline_s=2) as sink:
        broker.stop()
        for _ in range(2):
            with pytest.raises(TransientError):
                sink.push(ONE, waiting)
        broker.start()
        with inbox(broker) as box, collecting(pair, box):
            sink._deadline_s = 120
            sink.push(ONE, waiting)
    assert collected_numbers(pair) == list(range(1, 41))


def test_a_push_without_a_collector_says_so_and_keeps_the_reports(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 2)
    with device(broker) as sink:
        with pytest.raises(TransientError, match="no collector listens"):
            sink.push(ONE, waiting)
        with inbox(broker) as box, collecting(pair, box):
            sink.push(ONE, waiting)
    assert collected_numbers(pair) == [1, 2]


def test_a_collector_that_does_not_commit_empties_no_outbox(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 2)
    with inbox(broker) as box, device(broker, deadline_s=1) as sink:
        with pytest.raises(TransientError, match="no collector has confirmed them"):
            sink.push(ONE, waiting)
        until(lambda: len(box.letters(0)) == 2)
        with pytest.raises(TransientError, match="no collector has confirmed them"):
            sink.push(ONE, waiting)
        assert len(box.letters(0.5)) == 2, "the broker has them: they are not sent again before their time"
        result = take(pair, box)
        assert result is not None
        assert result.accepted == 2
        sink.push(ONE, waiting)


def test_a_collector_killed_before_its_commit_loses_nothing(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 3)
    command = [sys.executable, "-m", "ringtide_engine.cli", "collect", "-C", str(pair.folders[0])]
    command += ["--reports", str(pair.folders[1]), "--mqtt", broker.url(COLLECTOR), "--every"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("contract", "engine"))}
    first = subprocess.Popen([*command, "3600"], env=environment)
    try:
        with device(broker, deadline_s=1) as sink:

            def held() -> bool:
                try:
                    sink.push(ONE, waiting)
                except TransientError as error:
                    return "no collector has confirmed" in str(error)
                return False

            until(held, 180)
            first.kill()
            first.wait()
            assert pair.reports.head("collected/main") is None
            again = subprocess.run(
                [*command, "5", "--once"], env=environment, capture_output=True, text=True, timeout=60
            )
            assert (again.returncode, again.stdout.split(",")[0]) == (0, "3 reports accepted"), again.stderr
            sink.push(ONE, waiting)
            assert mqtt_reports.RESEND_S > 300, "it was the broker that delivered again, not the device"
    finally:
        first.kill()
        first.wait()
    assert collected_numbers(pair) == [1, 2, 3]


def test_the_command_ends_when_asked_and_commits_what_it_holds(pair: FleetPair, broker: MqttBroker) -> None:
    command = [sys.executable, "-m", "ringtide_engine.cli", "collect", "-C", str(pair.folders[0])]
    command += ["--reports", str(pair.folders[1]), "--mqtt", broker.url(COLLECTOR), "--every", "3600"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("contract", "engine"))}
    process = subprocess.Popen(command, env=environment)
    try:
        with device(broker, deadline_s=1) as sink:
            waiting = outbox(pair, ONE, 1)

            def held() -> bool:
                try:
                    sink.push(ONE, waiting)
                except TransientError as error:
                    return "no collector has confirmed" in str(error)
                return False

            until(held, 180)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
            sink.push(ONE, waiting)
    finally:
        process.kill()
        process.wait()
    assert collected_numbers(pair) == [1]


def test_what_is_delivered_twice_counts_once_and_is_confirmed_again(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 3)
    with inbox(broker) as box, collecting(pair, box) as results:
        with device(broker) as sink:
            sink.push(ONE, waiting)
        head = pair.reports.head("collected/main")
        broker.send(COLLECTOR, device_topic(FLEET, ONE, "taken"), b"", retain=True)  # the broker forgot it
        with device(broker, session="second run") as sink:
            sink.push(ONE, waiting)
    assert collected_numbers(pair) == [1, 2, 3]
    assert pair.reports.head("collected/main") == head, "a repetition is no news"
    assert [finding for result in results for finding in result.findings] == []


def test_a_device_that_dies_is_said_to_be_gone_and_that_is_no_evidence(
    pair: FleetPair, broker: MqttBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_reports, "WILL_DELAY_S", 0)
    with inbox(broker) as box:
        with device(broker) as sink:
            until(lambda: sink._ready)
            until(lambda: ONE in box.presences() and box.presences()[ONE].alive)
            client = sink._client
            assert client is not None
            client._thread_terminate = True  # no power: the socket closes without a word
            client._sock_close()
            until(lambda: not box.presences()[ONE].alive)
            sink._client = None
        take(pair, box)
        said = why(pair.fleet, pair.reports, ONE, now=pair.now)
        assert (said.record, said.connected) == (None, False), "it was never heard of"
        head = pair.reports.head("collected/main")
        broker.send(ONE, device_topic(FLEET, ONE, "alive"), b'{"alive":true,"session":"third"}', retain=True)
        assert take(pair, box) is not None
        assert pair.reports.head("collected/main") == head, "a connection is worth no commit of its own"


def test_the_late_will_of_an_earlier_run_says_nothing_of_this_one(broker: MqttBroker) -> None:
    with inbox(broker) as box, device(broker, session="new") as sink:
        until(lambda: sink._ready and ONE in box.presences())
        broker.send(ONE, device_topic(FLEET, ONE, "alive"), b'{"alive":false,"session":"old"}', retain=True)
        broker.send(ONE, device_topic(FLEET, ONE, "alive"), b"nonsense")
        assert box.presences()[ONE].alive
        assert box.presences()[ONE].session == "new"


def test_a_certificate_of_another_authority_is_refused(pair: FleetPair, broker: MqttBroker, tmp_path: Path) -> None:
    stranger = MqttBroker(tmp_path / "stranger")
    certificate, key = stranger.issue(ONE)
    broker.files[ONE] = certificate, key
    with device(broker, deadline_s=3) as sink, pytest.raises(TransientError, match=r"(?i)alert|certificate|eof|ended"):
        sink.push(ONE, outbox(pair, ONE, 1))
    broker.files.pop(ONE)
    broker.authority.path.write_bytes(stranger.authority_file.read_bytes())
    with device(broker, deadline_s=3) as sink, pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
        sink.push(ONE, outbox(pair, ONE, 1))


@pytest.mark.parametrize(
    ("who", "topic"),
    [
        (OTHER, device_topic(FLEET, ONE, "reports/1")),
        (OTHER, device_topic(FLEET, ONE, "alive")),
        (ONE, device_topic(FLEET, ONE, "taken")),
        (ONE, f"ringtide/v1/{FLEET}/hint"),
        (ONE, device_topic("other", ONE, "reports/1")),
        (COLLECTOR, device_topic(FLEET, ONE, "reports/1")),
        ("ringtide.publisher", device_topic(FLEET, ONE, "taken")),
        ("stranger", f"ringtide/v1/{FLEET}/hint"),
    ],
)
def test_the_access_list_keeps_everybody_to_their_own_topics(broker: MqttBroker, who: str, topic: str) -> None:
    assert broker.send(who, topic, b"{}") == "Not authorized"


def test_a_device_hears_its_own_confirmations_only(broker: MqttBroker) -> None:
    heard: list[str] = []
    client = broker.client(OTHER)
    client.on_message = lambda _client, _user, message: heard.append(message.topic)
    client.subscribe(f"ringtide/v1/{FLEET}/#", qos=1)
    for name in (ONE, OTHER):
        broker.send(COLLECTOR, device_topic(FLEET, name, "taken"), b"{}")
    until(lambda: heard)
    client.disconnect()
    client.loop_stop()
    assert heard == [device_topic(FLEET, OTHER, "taken")]


def test_a_hostile_device_harms_only_itself(pair: FleetPair, broker: MqttBroker) -> None:
    true = outbox(pair, ONE, 1)
    stolen = outbox(pair, OTHER, 1)[1]
    with inbox(broker) as box:
        client = broker.client(HOSTILE)
        topics = ["reports/0", "reports/01", "reports/x", "reports/" + "9" * 40, "reports/1/2"]
        payloads = [b"", b"\xff" * 100, b"[" * 50_000, stolen]
        for number in range(2 * HELD_MOST):
            client.publish(device_topic(FLEET, HOSTILE, f"reports/{number + 1}"), payloads[number % 4], qos=1)
        for topic in topics:
            client.publish(device_topic(FLEET, HOSTILE, topic), b"{}", qos=1)
        client.publish(device_topic(FLEET, HOSTILE, "reports/7"), b"x" * 140_000, qos=1)
        with collecting(pair, box) as results, device(broker) as sink:
            sink.push(ONE, true)
        client.disconnect()
        client.loop_stop()
    assert collected_numbers(pair) == [1]
    assert collected_numbers(pair, OTHER) == [], "a true report on another's topic is not taken"
    rules = {finding.rule for result in results for finding in result.findings}
    assert rules <= {"RT-REPORT-002", "RT-REPORT-005"}
    assert all(len(result.findings) <= 20 for result in results)


def test_what_is_held_is_bounded_whoever_floods(broker: MqttBroker) -> None:
    with inbox(broker) as box:
        client = broker.client(OTHER)
        for number in range(3 * HELD_MOST):
            client.publish(device_topic(FLEET, OTHER, f"reports/{number + 1}"), b"x", qos=1)
        assert len(box.letters(10)) == HELD_MOST
        assert len(box.letters(0.5)) == HELD_MOST
        box.done(box.letters(0))
        assert len(box.letters(10)) == HELD_MOST, "the next ones come when the first are done"
        client.disconnect()
        client.loop_stop()


def test_a_copied_device_is_convicted_over_a_broker_too(pair: FleetPair, broker: MqttBroker) -> None:
    twin = ReportingDevice(id=ONE)
    with inbox(broker) as box, collecting(pair, box) as results:
        with device(broker) as sink:
            sink.push(ONE, outbox(pair, ONE, 2))
        twin.send({})
        (other,) = twin.send({}).values()
        with device(broker, deadline_s=2) as sink, pytest.raises(TransientError, match="two devices share one key"):
            sink.push(ONE, {2: other})
        until(lambda: any(result.findings for result in results))
    assert {finding.rule for result in results for finding in result.findings} == {"RT-REPORT-008"}
    said = why(pair.fleet, pair.reports, ONE, now=pair.now)
    assert said.alert is not None


def test_a_forged_confirmation_makes_no_device_forget(pair: FleetPair, broker: MqttBroker) -> None:
    waiting = outbox(pair, ONE, 2)
    forged = Taken(number=2, payload=STABLE).encode()
    broker.send(COLLECTOR, device_topic(FLEET, ONE, "taken"), forged, retain=True)
    with device(broker, deadline_s=2) as sink, inbox(broker) as box:
        with pytest.raises(TransientError, match="two devices share one key"):
            sink.push(ONE, waiting)
        take(pair, box)
        sink.push(ONE, waiting)
    assert collected_numbers(pair) == [1, 2]


def test_a_collector_that_hears_nothing_does_not_say_that_all_was_heard(pair: FleetPair, broker: MqttBroker) -> None:
    with inbox(broker) as box:
        assert take(pair, box) is not None
        head = pair.reports.head("collected/main")
        broker.stop()
        until(lambda: box.trouble)
        pair.later(pair.state.fleet.ingest_interval * 2)
        assert take(pair, box) is None
        assert pair.reports.head("collected/main") == head
        broker.start()
        until(lambda: not box.trouble, 60)
        assert take(pair, box) is not None
        assert pair.reports.head("collected/main") != head


def test_a_broker_without_a_certificate_for_the_device_is_refused_at_the_start() -> None:
    with pytest.raises(InputError, match=r"reports\.tls_certificate"):
        MqttReports(MqttAccess(url="mqtts://broker"), fleet=FLEET, device=ONE, session="run")


def test_an_agent_in_the_field_reports_over_the_broker_before_it_has_seen_any_publication(
    pair: FleetPair, broker: MqttBroker, tmp_path: Path
) -> None:
    certificate, key = broker.issue(ONE)
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "device.key").write_bytes(private_pem(device_key(ONE)))
    for path in (tmp_path / "device.key", key):
        path.chmod(0o600)
    (tmp_path / "agent.toml").write_text(f"""
fleet = "{FLEET}"
device = "{ONE}"
hardware_class = "edge-s"
state_dir = "{state}"
key_file = "{tmp_path}/device.key"
[publication]
url = "file://{tmp_path}/nowhere.git"
[reports]
url = "mqtts://127.0.0.1:{broker.port}"
tls_certificate = "{certificate}"
tls_key = "{key}"
tls_authority = "{broker.authority_file}"
[serve]
port = 0
""")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("contract", "device_agent")),
    }
    command = [sys.executable, "-m", "ringtide_agent"]
    config = ["--config", str(tmp_path / "agent.toml")]
    looked = subprocess.run([*command, "doctor", *config], env=environment, capture_output=True, text=True, timeout=180)
    assert f"[ok]   tls: 127.0.0.1:{broker.port} TLSv1.3" in looked.stdout, looked.stdout
    with inbox(broker) as box, collecting(pair, box):
        process = subprocess.Popen([*command, "run", *config], env=environment)
        try:
            until(lambda: collected_numbers(pair) == [1], 180)
            until(lambda: ONE in box.presences() and box.presences()[ONE].alive)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
            until(lambda: not box.presences()[ONE].alive)
        finally:
            process.kill()
            process.wait()
    shown = subprocess.run([*command, "status", *config], env=environment, capture_output=True, text=True, timeout=180)
    assert "report 1 (0 waiting)" in shown.stdout, shown.stdout + shown.stderr
