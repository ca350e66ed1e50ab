"""The service's unit and the package: sound, hardened, whole, and the same bytes from the same sources."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import click
import pytest

from ringtide_agent.cli import commands

ROOT = Path(__file__).resolve().parents[3]
PACKAGING = ROOT / "packaging"

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there: `verify` looks for it."""
    path = tmp_path / "ringtide-agent.service"
    text = (PACKAGING / "ringtide-agent.service").read_text()
    path.write_text(text.replace("/usr/bin/ringtide-agent", "/bin/true"))
    return path


@analyzed
def test_systemd_understands_every_line_of_the_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@analyzed
def test_systemd_understands_what_the_page_on_enrolling_says_of_tokens(unit: Path) -> None:
    page = (ROOT / "docs" / "enrolling-devices.md").read_text()
    (text,) = re.findall(r"```ini\n# systemctl edit ringtide-agent\n(.*?)```", page, re.DOTALL)
    folder = unit.with_name("ringtide-agent.service.d")
    folder.mkdir()
    (folder / "token.conf").write_text(text)
    verify = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "LoadCredential=\nLoadCredential=device.pin:/etc/ringtide/device.pin\n" in text, (
        "a missing key stops a start"
    )
    assert "ConditionPathExists=\n" in text
    assert "RINGTIDE_AGENT_PKCS11_PIN_FILE=%d/device.pin" in text


@analyzed
def test_the_unit_is_exposed_by_at_most_2(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_unit_leaves_onnxruntime_what_it_needs_and_waits_longer_than_any_step() -> None:
    lines = (PACKAGING / "ringtide-agent.service").read_text().splitlines()
    values = [line for line in lines if line and not line.startswith("#")]
    assert "WatchdogSec=15min" in values
    assert not any(line.startswith("ProcSubset=") or "~@resources" in line for line in values)
    assert "LoadCredential=device.key:/etc/ringtide/device.key" in values


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
@pytest.mark.skipif(os.environ.get("RINGTIDE_SYSTEM") != "1", reason="packages are built by `make system`")
def test_the_same_sources_give_the_same_package_and_it_is_whole(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        command = [sys.executable, str(PACKAGING / "build_deb.py"), "--out", str(tmp_path / name)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        deb = Path(done.stdout.strip())
        digests.append(hashlib.sha256(deb.read_bytes()).hexdigest())
    assert digests[0] == digests[1]

    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            members = {member.name.removeprefix("./").rstrip("/"): member for member in archive}
    for name in (
        "ringtide_agent/wiring.py",
        "ringtide_contract/acceptance.py",
        "onnxruntime/__init__.py",
        "tuf/__init__.py",
    ):
        assert f"usr/lib/ringtide-agent/{name}" in members
    assert not any("ringtide_engine" in name or "__pycache__" in name for name in members)
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
    assert {member.mtime for member in members.values()} == {1767225600}
    fields = subprocess.run(["dpkg-deb", "-f", str(deb)], check=True, capture_output=True, text=True).stdout
    assert "python3 (>= 3.11), python3 (<< 3.12), git" in fields

    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(root / 'usr/lib/ringtide-agent')!r}); "
        "import json, onnxruntime, ringtide_agent; print(json.dumps([onnxruntime.__file__, ringtide_agent.__file__]))"
    )
    said = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(path.startswith(str(root)) for path in json.loads(said))


@pytest.mark.parametrize(
    "page", ["installing-the-agent", "enrolling-devices", "when-a-device-misbehaves", "threats", "upgrading-the-agent"]
)
def test_every_command_of_the_pages_is_one_that_the_agent_has(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"ringtide-agent ([a-z][^\n`>]*)", text):
        words = line.split()
        group: click.Command = commands
        while isinstance(group, click.Group) and words and words[0] in group.commands:
            group = group.commands[words.pop(0)]
        if group is commands:
            continue  # the package's or the unit's name in a sentence
        known = {name for parameter in group.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
    for link in re.findall(r"\]\(([a-z-]+\.md)\)", text):
        assert (ROOT / "docs" / link).is_file()
    for path in re.findall(r"`(/(?:usr/lib|usr/bin)/ringtide[^`]*)`", text):
        assert f"dst: {path}" in (PACKAGING / "nfpm.yaml").read_text()
