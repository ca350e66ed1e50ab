"""The commands, each a real process: exit codes, streams, and nothing left behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from agent.edges.test_token_key import MODULE, make_token
from fakes.git_origin import GitOrigin
from fakes.tuf_repository import TufRepository
from ringtide_agent.cli import run_command
from ringtide_contract.ids import parse_device_id, report_ref
from ringtide_contract.keys import generate, parse_private_key, parse_public_key, public_pem
from ringtide_contract.report import open_report

NOW = datetime.now(UTC)


class Device:
    """A device's folder, its repositories, and its commands."""

    more: Mapping[str, str] = MappingProxyType({})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.tuf = TufRepository(fleet="acme", statement_keys=[generate().public_key()], now=NOW)
        self.tuf.publish(b"{}", NOW)
        (folder / "root.json").write_bytes(self.tuf.trusted_root)
        self.published, self.reports = GitOrigin(folder / "fleet.git"), GitOrigin(folder / "reports.git")
        self.published.commit(self.tuf.files)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "ringtide_agent", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "ORT_DISABLE_TELEMETRY": "1"}
        return {**own, **self.more}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def enroll(self, *more: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run(
            "enroll", "--fleet", "acme", "--device", "cam-001", "--hardware-class", "edge-s",
            "--root", str(self.folder / "root.json"), "--publication", self.published.url,
            "--reports", self.reports.url, "--state-dir", str(self.state), "--serve-port", "0", *more, code=code,
        )  # fmt: skip

    def with_config(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        first = 2 if command[0] == "config" else 1
        return self.run(*command[:first], "--config", str(self.state / "agent.toml"), *command[first:], code=code)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_enroll_prints_the_device_to_merge_and_nothing_else(device: Device) -> None:
    done = device.enroll("--label", "site=berlin", "--label", "line=7", "--label", "spare=true")
    document = yaml.safe_load(done.stdout)
    key = parse_private_key((device.state / "device.key").read_bytes())
    assert document == {
        "apiVersion": "ringtide/v1",
        "kind": "Device",
        "id": "cam-001",
        "publicKey": public_pem(key.public_key()),
        "hardwareClass": "edge-s",
        "labels": {"site": "berlin", "line": "7", "spare": "true"},
        "state": "active",
    }
    assert "merge the document above as devices/cam-001.yaml" in done.stderr
    assert (device.state / "device.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_replaced(device: Device) -> None:
    first = device.enroll().stdout
    assert device.enroll().stdout == first
    assert device.enroll("--serve-port", "9", code=1).stdout == ""
    (device.state / "device.key").write_text("not a key")
    assert "fix: move the file away" in device.enroll(code=1).stderr
    assert (device.state / "device.key").read_text() == "not a key"


@pytest.mark.parametrize("root", [b"{}", b"not json", b"x" * 100_000])
def test_a_root_that_is_none_is_refused_before_a_key_is_made(device: Device, root: bytes) -> None:
    (device.folder / "root.json").write_bytes(root)
    assert "not a signed TUF root" in device.enroll(code=1).stderr
    assert not device.state.exists()


def test_another_root_is_refused(device: Device) -> None:
    device.enroll()
    (device.folder / "root.json").write_bytes(Device(_made(device.folder / "other")).tuf.trusted_root)
    assert "this device trusts another root" in device.enroll(code=1).stderr


def test_a_device_whose_key_lies_on_a_token_reports_with_it_and_serves_on_without_it(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not MODULE.exists():
        pytest.skip("softhsm2 is not installed: apt-get install softhsm2")
    folder = device.folder / "hsm"
    key = make_token(folder)
    device.more = {"SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
    words = ("--pkcs11-module", str(MODULE), "--pkcs11-token", "ringtide", "--pkcs11-pin-file", str(key.pin_file))
    assert "--pkcs11-module needs" in device.enroll(*words[:2], code=64).stderr
    done = device.enroll(*words)
    assert "key 'device' on token 'ringtide'" in done.stderr
    assert not (device.state / "device.key").exists()
    public = parse_public_key(yaml.safe_load(done.stdout)["publicKey"])
    assert device.enroll(*words).stdout == done.stdout
    device.with_config("once", "--wait", "0", code=4)
    ref = report_ref(parse_device_id("cam-001"))
    sealed = device.reports.git("show", f"{ref}:reports/1.json").encode()
    assert open_report(sealed, public, fleet="acme", device=parse_device_id("cam-001"))[0].number == 1
    shown = json.loads(device.with_config("config", "show", "--origin", "-o", "json").stdout)
    written = (device.state / "agent.toml").read_text().splitlines()
    line = written.index('token = "ringtide"') + 1
    assert shown["pkcs11.token"] == {"value": "ringtide", "origin": f"{device.state}/agent.toml:{line}"}
    assert "in token ringtide, key device" in device.with_config("doctor").stdout

    time.sleep(1)
    (folder / "tokens").rename(folder / "gone")
    (folder / "tokens").mkdir()
    done = device.with_config("once", "--wait", "0", "--set", "report.max_silence_s=1", code=4)
    assert "reports cannot be signed; it serves on: there is no token 'ringtide'" in done.stderr
    assert "[fail] key: " in device.with_config("doctor", code=1).stdout


def test_every_command_says_what_it_does() -> None:
    for command in ("enroll", "rotate-key", "run", "once", "status", "doctor", "config"):
        assert "Usage: ringtide-agent" in Device.run(_here(), command, "--help").stdout


@pytest.mark.parametrize("wrong", [["bogus"], ["run", "--nothing"], ["enroll"], ["once", "--wait", "soon"], []])
def test_wrong_usage_exits_with_64(wrong: Sequence[str]) -> None:
    Device.run(_here(), *wrong, code=64)


def test_an_error_is_one_line_with_a_fix(device: Device) -> None:
    (device.folder / "agent.toml").write_text("flet = 1\n")
    done = device.run("status", "--config", str(device.folder / "agent.toml"), code=1)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert "agent.toml:1: unknown key 'flet'; did you mean 'fleet'? fix: " in done.stderr


def test_once_refuses_what_is_not_signed_with_4_and_reports_it(device: Device) -> None:
    device.enroll()
    done = device.with_config("once", "--wait", "30", code=4)
    assert done.stdout == "refused\n"
    assert "BUNDLE-FORM" in done.stderr
    sealed = device.reports.git("show", f"{report_ref(parse_device_id('cam-001'))}:reports/1.json").encode()
    key = parse_public_key(yaml.safe_load(device.enroll().stdout)["publicKey"])
    report, _ = open_report(sealed, key, fleet="acme", device=parse_device_id("cam-001"))
    assert [condition.type for condition in report.conditions] == ["trust-refused"]
    (told,) = (
        each
        for each in json.loads(device.with_config("status", "-o", "json").stdout)["conditions"]
        if "report 1" in each["note"]
    )
    assert told["type"] == "trust-refused", "who stands at the device reads what the fleet reads"


def test_a_device_without_its_root_says_which_file_to_put_back(device: Device) -> None:
    device.enroll()
    root = device.state / "trust" / "root.json"
    root.unlink()
    assert (
        f"{root} is missing. fix: put the one of the enrolment there"
        in device.with_config("once", "--wait", "9", code=4).stderr
    )


def test_once_without_a_source_does_not_converge(device: Device) -> None:
    device.enroll()
    device.published.path.rename(device.folder / "away")
    assert device.with_config("once", "--wait", "0", code=5).stdout == "not-converged\n"


def test_status_reads_the_disk_alone(device: Device) -> None:
    device.enroll()
    assert "no models yet" in device.with_config("status").stdout
    seen = json.loads(device.with_config("status", "-o", "json").stdout)
    assert (seen["device"], seen["generation"], seen["models"]) == ("cam-001", 0, {})
    assert [condition["type"] for condition in seen["conditions"]] == ["no-publication"]


def test_config_show_says_each_value_and_where_it_stands(device: Device) -> None:
    device.enroll()
    path = device.state / "agent.toml"
    lines = device.with_config("config", "show", "--origin", "--set", "poll.interval_s=7").stdout.splitlines()
    shown = dict(line.rsplit("  # ", 1) for line in lines)
    by_name = {line.split(" = ")[0].strip(): (line.strip(), place) for line, place in shown.items()}
    assert by_name["fleet"] == ('fleet = "acme"', f"{path}:3")
    assert by_name["poll.interval_s"] == ("poll.interval_s = 7", "--set poll.interval_s")
    assert by_name["limits.disk_reserve_mib"] == ("limits.disk_reserve_mib = 32", "default")
    assert tomllib.loads(device.with_config("config", "show").stdout)["serve"]["port"] == 0
    spoken = json.loads(device.with_config("config", "show", "-o", "json", "--origin").stdout)
    assert spoken["serve.port"] == {"value": 0, "origin": by_name["serve.port"][1]}


def test_a_key_that_others_may_use_is_refused_whichever_it_is(device: Device) -> None:
    device.enroll()
    key = device.folder / "tls.key"
    key.write_text("x")
    key.chmod(0o640)
    done = device.with_config("once", "--wait", "0", "--set", f"reports.tls_key={key}", code=1)
    assert done.stderr == f"error: {key}: others may use this key (mode 640). fix: chmod 600 {key}\n"
    (device.state / "device.key").chmod(0o604)
    assert "others may use this key (mode 604)" in device.with_config("once", "--wait", "0", code=1).stderr


def test_root_does_not_run_on_the_state_of_another_user(device: Device) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could")
    device.enroll()
    os.chown(device.state, 12345, 12345)
    done = device.with_config("once", "--wait", "0", code=1)
    assert "belongs to user 12345, not to root. fix: systemctl start ringtide-agent" in done.stderr


def test_without_rights_a_person_is_told_to_use_sudo(
    device: Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device.enroll()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != device.state)
    for command in ("status", "doctor", "once"):
        assert run_command([command, "--config", str(device.state / "agent.toml")]) == 1
        said = f"error: {device.state} is for the service's user alone. fix: put sudo before the command\n"
        assert capsys.readouterr() == ("", said)


def test_enrolment_by_root_leaves_the_state_to_its_owner_and_the_key_to_root(device: Device) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could")
    device.state.mkdir(mode=0o700)
    os.chown(device.state, 12345, 12345)
    device.enroll("--config-dir", str(device.folder / "etc"))
    owners = {path.name: path.stat().st_uid for path in [*device.folder.glob("etc/*"), *device.state.rglob("*")]}
    assert owners == {"agent.toml": 0, "device.key": 0, "trust": 12345, "root.json": 12345}
    assert (
        "key_file = " + json.dumps(f"{device.folder}/etc/device.key") in (device.folder / "etc/agent.toml").read_text()
    )


def test_a_device_may_be_enrolled_with_a_mirror_and_not_with_nonsense(device: Device) -> None:
    assert "write mirror+https://host/folder" in device.enroll("--publication", "mirror+ftp://a/b", code=1).stderr
    assert "mirror's address has no password" in device.enroll("--publication", "mirror+https://a:b@c/d", code=1).stderr
    assert not device.state.exists()
    device.enroll("--publication", "mirror+https://www.example.org/fleet")
    shown = device.with_config("config", "show").stdout
    assert "mirror+https://www.example.org/fleet" in shown


def test_doctor_is_content_with_a_sound_device(device: Device) -> None:
    device.enroll()
    lines = device.with_config("doctor").stdout.splitlines()
    assert len(lines) == 15
    assert all(line.startswith("[ok] ") for line in lines)


def test_doctor_names_each_failure_with_a_fix(device: Device) -> None:
    device.enroll()
    (device.state / "device.key").chmod(0o644)
    (device.state / "trust" / "root.json").unlink()
    device.published.path.rename(device.folder / "away")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = device.state / "agent.toml"
        config.write_text(config.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}"))
        lines = device.with_config("doctor", code=1).stdout.splitlines()
    failed = [line.split()[1] for line in lines if line.startswith("[fail]")]
    assert failed == ["key:", "trust:", "rights:", "publication:", "port:"]
    assert sum(line.startswith("       fix: ") for line in lines) == 5
    assert lines.count(f"       fix: chmod 600 {device.state}/device.key") == 2, "and not: enroll this device again"


@pytest.mark.parametrize(
    ("setting", "cause"),
    [
        ("limits.disk_reserve_mib=1048576", "disk: [0-9]+ MiB free, below the reserve of 1048576 MiB"),
        ("reports.url=file:///nowhere/reports.git", "reports: file:///nowhere/reports.git: .*"),
        ("reports.url=mqtt://127.0.0.1:PORT", "reports: mqtt://127.0.0.1:PORT: Connection refused"),
        ("mqtt.port=PORT", "broker: the broker 127.0.0.1:PORT: no connection"),
    ],
)
def test_doctor_says_cause_and_fix(device: Device, setting: str, cause: str) -> None:
    device.enroll()
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = str(made.getsockname()[1])
    settings = [setting.replace("PORT", port)]
    if setting.startswith("mqtt."):
        settings += ["mqtt.host=127.0.0.1", "mqtt.tls=false"]
    said = device.with_config("doctor", *(f"--set={each}" for each in settings), code=1).stdout
    assert re.search(rf"\[fail\] {cause.replace('PORT', port)}\n       fix: [a-z].+\n", said), said
    assert said.count("[fail]") == 1


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed: apt-get install faketime")
def test_doctor_names_a_clock_before_the_build(device: Device) -> None:
    device.enroll()
    command = device.command("doctor", "--config", str(device.state / "agent.toml"))
    done = subprocess.run(
        ["faketime", "-f", "-10y", *command], env=device.environment, capture_output=True, text=True, check=False
    )
    assert re.search(r"\[fail\] clock: .* but it is .* at least\n       fix: set the clock", done.stdout), done.stdout


def test_doctor_names_a_host_without_address_and_a_server_without_tls(device: Device) -> None:
    device.enroll("--publication", "https://nowhere.invalid/fleet.git")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.close()
        port = silent.getsockname()[1] if silent.fileno() >= 0 else 9
        lines = device.with_config("doctor", "--set", f"reports.url=https://127.0.0.1:{port}/r.git", code=1).stdout
    assert "[fail] names: nowhere.invalid: " in lines
    assert "[fail] tls: " in lines


def test_doctor_looks_at_the_places_that_artifacts_need(device: Device) -> None:
    device.enroll()
    told = ("--set", "artifacts.certificate_url=https://certificates.invalid/c.pem")
    assert "[fail] names: certificates.invalid: " in device.with_config("doctor", *told, code=1).stdout


def test_doctor_is_content_with_an_agent_that_has_nothing_to_serve(device: Device) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    device.enroll("--serve-port", str(port))
    arguments = device.command("run", "--config", str(device.state / "agent.toml"))
    with subprocess.Popen(arguments, env=device.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline().startswith(f"serving on http://127.0.0.1:{port}")
            said = device.with_config("doctor").stdout
        finally:
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
    assert f"[ok]   port: 127.0.0.1:{port} is taken, by the agent that runs here" in said


def test_doctor_leaves_nothing_in_the_state(device: Device) -> None:
    device.enroll()
    before = sorted(device.state.rglob("*"))
    device.with_config("doctor")
    assert sorted(device.state.rglob("*")) == before


def test_a_signal_ends_run_cleanly_and_two_agents_never_share_a_folder(device: Device) -> None:
    device.enroll()
    arguments = device.command("run", "--config", str(device.state / "agent.toml"))
    with subprocess.Popen(arguments, env=device.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("serving on http://127.0.0.1:")
        refusal = device.with_config("run", code=1).stderr
        assert refusal == f"error: another agent runs on {device.state}. fix: stop it first\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    assert _left_over(device.state) == []


@pytest.mark.slow
def test_a_signal_breaks_off_a_poll_of_a_silent_server(device: Device) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/fleet.git"
        device.enroll("--publication", url)
        arguments = device.command("run", "--config", str(device.state / "agent.toml"))
        with subprocess.Popen(arguments, env=device.environment, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            connection.close()
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
    assert _left_over(device.state) == []


def test_the_supervisor_that_has_polled_and_reported_takes_at_most_60_mib(device: Device) -> None:
    device.enroll()
    arguments = device.command("run", "--config", str(device.state / "agent.toml"))
    with subprocess.Popen(arguments, env=device.environment, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            if device.reports.tip(report_ref(parse_device_id("cam-001"))):
                break
            time.sleep(0.05)
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        process.terminate()
    print(f"supervisor peak {peak_kib / 1024:.1f} MiB")
    assert device.reports.tip(report_ref(parse_device_id("cam-001")))
    assert peak_kib <= 60 * 1024


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _here() -> Device:
    return object.__new__(Device)


def _left_over(folder: Path) -> list[str]:
    """Return what still runs on the folder: a signal of the kernel ends the agent's children a moment after it."""
    for _ in range(200):
        if not _processes_in(folder):
            break
        time.sleep(0.05)
    return _processes_in(folder)


def _processes_in(folder: Path) -> list[str]:
    """Return what runs on the folder: agents name it in their arguments, git children in their environment."""
    found = []
    for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in text:
            found.append(text)
    return found
