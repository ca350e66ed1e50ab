"""What the service says to systemd, to the journal, and to node_exporter."""

import json
import logging
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.cli.test_commands import Device
from fakes.agent_world import START, World
from fakes.publication import make_manifest, steady
from ringtide_agent.adapters import sd_notify
from ringtide_agent.adapters.journal_log import JournalHandler, encode
from ringtide_agent.adapters.sd_notify import Notifier, status_line
from ringtide_agent.adapters.text_metrics import TextMetrics
from ringtide_agent.loop import Agent
from ringtide_contract.errors import TransientError


class Supervisor:
    """The socket that systemd listens on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def heard(self, seconds: float = 0.0) -> list[str]:
        """Return what has come; wait so long for more."""
        found = []
        self.socket.settimeout(seconds or 0.001)
        for _ in range(10):
            try:
                found.append(self.socket.recv(4096).decode())
            except TimeoutError:
                break
        return found

    def wait_for(self, word: str) -> list[str]:
        """Return what came, up to a message."""
        found: list[str] = []
        self.socket.settimeout(60)
        while word not in found:
            found.append(self.socket.recv(4096).decode())
        return found


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "notify")
    yield supervisor
    supervisor.socket.close()


@pytest.fixture
def world() -> World:
    world, one = World(), make_manifest("1.0.0")
    world.publish(steady(one), manifests=[one])
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
    return world


class _StuckError(BaseException):
    """In place of a call that never returns."""


def _stuck(*_: object, **__: object) -> object:
    raise _StuckError


@pytest.mark.parametrize(
    ("port", "method", "beats"),
    [("service", "tend", 0), ("source", "open", 1), ("service", "counters", 4), ("sink", "push", 4)],
)
def test_a_step_that_does_not_return_ends_the_beat(world: World, port: str, method: str, beats: int) -> None:
    heard: list[int] = []
    world.start()
    agent = Agent(world.agent._ports, world.settings, lambda: 0.5, lambda: heard.append(1))
    setattr(getattr(agent._ports, port), method, _stuck)
    world.clock.pass_s(100_000)
    with pytest.raises(_StuckError):
        agent.tick(world.clock.now())
    assert len(heard) == beats


def test_every_step_and_every_transition_is_a_beat(world: World) -> None:
    heard: list[int] = []
    world.agent = Agent(world.agent._ports, world.settings, lambda: 0.5, lambda: heard.append(1))
    world.turn()
    assert len(heard) == 5
    two = make_manifest("2.0.0")
    world.publish(steady(two), manifests=[two])
    world.turn()
    assert len(heard) > 10


def test_what_is_here_serves_before_the_network_answers(world: World) -> None:
    world.start()
    world.source.open = _stuck  # type: ignore[assignment]
    world.clock.pass_s(61)
    assert not world.agent.serves
    with pytest.raises(_StuckError):
        world.agent.tick(world.clock.now())
    assert world.agent.serves
    assert world.service.serves() == {"digits": "1.0.0"}


def test_an_agent_that_cannot_serve_what_it_has_does_not_say_that_it_does(world: World) -> None:
    world.service.failure = TransientError("no memory")
    world.start()
    world.turn()
    assert not world.agent.serves
    assert world.agent.seen is not None
    assert status_line(world.agent.seen, serving=False).endswith("not everything serves; not-serving")


def test_ready_comes_once_and_alive_at_most_each_second(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(sd_notify.time, "monotonic", lambda: now)
    notifier = Notifier({"NOTIFY_SOCKET": str(supervisor.path)})
    notifier.alive()
    notifier.ready()
    notifier.ready()
    notifier.alive()
    now = 101.0
    notifier.alive()
    notifier.status("all\nis well")
    notifier.status("all is well")
    notifier.stopping()
    assert supervisor.heard() == [
        "EXTEND_TIMEOUT_USEC=900000000", "READY=1", "WATCHDOG=1", "STATUS=all is well", "STOPPING=1",
    ]  # fmt: skip


def test_a_supervisor_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "@ringtide-nobody"}):
        notifier = Notifier(environment)
        notifier.ready()
        notifier.alive()
        notifier.status("x")
        notifier.stopping()


def test_a_running_agent_says_that_it_is_ready_and_alive_and_how_it_stands(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    device = Device(_made(tmp_path / "device"))
    device.enroll()
    metrics = tmp_path / "ringtide.prom"
    command = device.command("run", "--config", f"{device.state}/agent.toml", "--metrics-file", str(metrics))
    environment = {**device.environment, "NOTIFY_SOCKET": str(supervisor.path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            assert "WATCHDOG=1" not in supervisor.wait_for("READY=1")
            supervisor.wait_for("STATUS=no publication yet; trust-refused")
            supervisor.wait_for("WATCHDOG=1")
            _until(lambda: 'condition{type="trust-refused"} 1' in metrics.read_text())
        finally:
            process.terminate()
        supervisor.wait_for("STOPPING=1")
        assert process.wait(30) == 0
    text = metrics.read_text()
    assert 'ringtide_agent_condition{type="trust-refused"} 1\n' in text
    assert 'ringtide_agent_info{version="0.1.0",fleet="acme",device="cam-001"} 1\n' in text


@pytest.mark.slow
def test_a_silent_source_keeps_neither_the_loop_nor_the_end_waiting(tmp_path: Path, supervisor: Supervisor) -> None:
    device = Device(_made(tmp_path / "device"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        device.enroll("--publication", f"https://127.0.0.1:{silent.getsockname()[1]}/fleet.git")
        environment = {**device.environment, "NOTIFY_SOCKET": str(supervisor.path)}
        command = device.command("run", "--config", f"{device.state}/agent.toml")
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                connection, _ = silent.accept()
                supervisor.wait_for("STATUS=no publication yet")
                supervisor.heard()
                for _ in range(3):
                    supervisor.wait_for("WATCHDOG=1")
                (git,) = [child for child in _children(process.pid) if "git_child" in _command(child)]
                others = [git, *_children(git)]
                process.terminate()
                assert process.wait(30) == 0
                _until(lambda: not any(_command(child) for child in others))
                connection.close()
            finally:
                process.kill()


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def _command(process: int) -> str:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        return "" if state == "Z" else Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def test_the_figures_are_those_of_the_device_and_the_file_is_replaced_whole(world: World, tmp_path: Path) -> None:
    assert world.agent.seen is not None
    metrics = TextMetrics(tmp_path / "r.prom", 'ac"me', "cam-001")
    metrics.write(world.agent.seen, serving=True, number=3, waiting=2, now_s=START.timestamp())
    text = (tmp_path / "r.prom").read_text()
    for line in (
        'ringtide_agent_info{version="0.1.0",fleet="ac\\"me",device="cam-001"} 1',
        "ringtide_agent_serving 1",
        "ringtide_agent_generation 1",
        "ringtide_agent_reports_waiting 2",
        'ringtide_agent_model_info{model="digits",release="1.0.0",variant="fp32"} 1',
        'ringtide_agent_model_phase{model="digits",phase="confirmed"} 1',
    ):
        assert f"{line}\n" in text
    assert text.count('ringtide_agent_model_phase{model="digits"') > 3
    assert [name.name for name in tmp_path.iterdir()] == ["r.prom"]
    assert stat.S_IMODE((tmp_path / "r.prom").stat().st_mode) == 0o644
    for line in text.splitlines():
        assert line.startswith(("# HELP ringtide_agent_", "# TYPE ringtide_agent_", "ringtide_agent_"))
    with pytest.raises(TransientError, match="No such file"):
        TextMetrics(tmp_path / "no" / "r.prom", "acme", "cam-001").write(
            world.agent.seen, serving=True, number=3, waiting=2, now_s=0
        )
    assert metrics.is_due(10)
    assert not metrics.is_due(20)
    assert metrics.is_due(25)


def test_a_transition_reaches_the_journal_with_its_parts_as_fields(supervisor: Supervisor) -> None:
    log = logging.Logger("test")
    log.addHandler(JournalHandler(str(supervisor.path)))
    extra = {"model": "digits", "state": "Probing", "event": "ProbePassed", "after": "Activating", "reason": "p95"}
    log.warning("two\nlines", extra=extra)
    sent = supervisor.socket.recv(4096)
    assert sent.startswith(b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=4\nSYSLOG_IDENTIFIER=ringtide-agent\n")
    assert sent.endswith(
        b"RINGTIDE_MODEL=digits\nRINGTIDE_STATE=Probing\nRINGTIDE_EVENT=ProbePassed\n"
        b"RINGTIDE_AFTER=Activating\nRINGTIDE_REASON=p95\n"
    )
    assert b"RINGTIDE" not in encode(logging.LogRecord("x", logging.INFO, "x", 1, "plain", None, None))


def test_status_in_json_has_what_people_see(tmp_path: Path) -> None:
    device = Device(_made(tmp_path / "device"))
    device.enroll()
    seen = json.loads(device.with_config("status", "-o", "json").stdout)
    shown = device.with_config("status").stdout
    assert f"{seen['fleet']}/{seen['device']}" in shown
    assert all(f"{item['type']}: {item['note']}" in shown for item in seen["conditions"])
    assert os.path.isdir(device.state)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
