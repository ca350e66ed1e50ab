"""A reader with the package, a fleet repository and the pages, and nothing else, enrols a device that boots.

The `sh` blocks of the pages run as they stand, as a person who may use sudo. `make system` runs it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fakes.git_origin import GitOrigin
from fakes.reports_server import ReportsServer, reports_server
from fakes.reports_server import lacking as lacks_servers
from fakes.shell_page import shell_blocks
from faults.nspawn_device import Booted
from faults.nspawn_device import lacking as lacks_systemd
from faults.test_system import ROOT, WHOLE_S, debs, did, possible

__all__ = ["debs", "possible"]

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.environ.get("RINGTIDE_SYSTEM") != "1", reason="the real system is tried by `make system`"),
    pytest.mark.skipif(lacks_servers() is not None, reason=f"{lacks_servers()}"),
]

DOCS = ROOT / "docs"

FLEET = """
ringtide init $TRY/fleet
cd $TRY/fleet
git remote add origin file://$TRY/git/fleet.git
git config user.name "Your Name" && git config user.email you@example.org
sed -i "s|https://models.example.org/onnx|file:///srv/shared/store|" fleet.yaml
sed -i "s/duration: 10m/duration: 3s/; s/minRequests: 20/minRequests: 0/" fleet.yaml
for custody in root targets tuf statement; do ringtide key new $custody $TRY/keys/$custody; done
ringtide key establish --root $TRY/keys/root --targets $TRY/keys/targets --tuf $TRY/keys/tuf --statement $TRY/keys/statement
ringtide reports guard $TRY/git/reports.git --writer collector
cp trust/1.root.json $TRY/shared/
"""

MERGE = """
cd $TRY/fleet
ringtide device add $TRY/cam-1.yaml
ringtide check
git add -A && git commit --quiet -m "Enrol cam-1" && git push --quiet origin main
ringtide publish --plan $(ringtide plan -o json | python -c 'import json, sys; print(json.load(sys.stdin)["digest"])') \\
  --statement-keys $TRY/keys/statement --tuf-keys $TRY/keys/tuf
"""


class Owner:
    """The fleet's owner, on this machine."""

    def __init__(self, server: ReportsServer) -> None:
        self.folder = server.folder
        commands = self.folder / "bin"
        commands.mkdir()
        for name, module in (("ringtide", "-m ringtide_engine.cli"), ("python", "")):
            (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            (commands / name).chmod(0o755)

    def does(self, script: str) -> str:
        environment = {
            **os.environ,
            "TRY": str(self.folder),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent")),
        }
        done = subprocess.run(
            ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


class Reader:
    """A person at the device."""

    def __init__(self, device: Booted) -> None:
        self.device = device
        device.run("useradd", "--create-home", "--shell", "/bin/bash", "reader")
        sudoers = device.root / "etc/sudoers.d/reader"
        if not sudoers.parent.is_dir():
            pytest.skip("sudo is not installed here (apt-get install sudo)")
        sudoers.write_text("reader ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)

    @property
    def home(self) -> Path:
        return self.device.root / "home/reader"

    def types(self, block: str) -> str:
        return self.device.run("runuser", "-l", "reader", "-c", f"set -eu -o pipefail\n{block}")


@pytest.fixture
def scene(possible: None, debs: Path) -> Iterator[tuple[Owner, ReportsServer, Reader]]:
    assert lacks_systemd() is None
    with TemporaryDirectory(dir="/var/tmp", prefix="ringtide-reader-") as there, ExitStack() as stack:
        folder = Path(there)
        folder.chmod(0o755)
        (folder / "shared" / "store").mkdir(parents=True)
        server = stack.enter_context(reports_server(folder))
        GitOrigin(folder / "git" / "fleet.git")
        device = Booted("reader", folder / "reader", shared=folder / "shared", end_s=time.monotonic() + WHOLE_S)
        stack.callback(device.off)
        device.lend(server.https_port, inside=443)
        with (device.root / "etc/hosts").open("a") as hosts:
            hosts.write("127.0.0.1 git.example.org\n")
        reader = Reader(device)
        (deb,) = debs.glob("ringtide-agent_0.1.0_amd64.deb")
        (reader.home / deb.name).write_bytes(deb.read_bytes())
        certificate, key = server.authority.issue("cam-1")
        for source, name in (
            (certificate, "device.pem"),
            (key, "device.key"),
            (server.authority.path, "authority.pem"),
        ):
            (reader.home / name).write_bytes(source.read_bytes())
        device.run("chown", "-R", "reader:reader", "/home/reader")
        yield Owner(server), server, reader


def test_the_pages_alone_bring_a_device_into_the_fleet(scene: tuple[Owner, ReportsServer, Reader]) -> None:
    owner, server, reader = scene
    install, start, *_ = shell_blocks(DOCS / "installing-the-agent.md")
    enroll, certificates, *more = shell_blocks(DOCS / "enrolling-devices.md")
    (begin,) = (block for block in more if "enable --now" in block)
    install = "".join(line for line in install.splitlines(keepends=True) if not line.startswith("make deb"))

    with did("a reader installs the package, and enrols by the page"):
        owner.does(FLEET)
        (reader.home / "1.root.json").write_bytes((server.folder / "shared" / "1.root.json").read_bytes())
        reader.types(install)
        reader.types(enroll)
        reader.types(certificates)
        (server.folder / "cam-1.yaml").write_bytes((reader.home / "cam-1.yaml").read_bytes())
    with did("the owner merges and publishes; the reader starts the service, and doctor is content"):
        owner.does(MERGE)
        said = reader.types(begin)
        assert "[fail]" not in said
        assert "no models yet" in said
        assert "put sudo before the command" in reader.types("ringtide-agent status 2>&1 || true")
        reader.device.wait_for(
            lambda: "generation 1.1" in reader.types("sudo systemctl status ringtide-agent"), "the publication"
        )
        said = reader.types(start)
        assert "[fail]" not in said
        assert "generation 1.1" in said
        reader.types("ringtide-agent config show --origin")
    with did("its first reports are on its own branch, and the owner takes them in"):
        branch = f"git -C {server.repository} rev-parse --verify -q reports/cam-1"
        reader.device.wait_for(lambda: "ok" in owner.does(f"{branch} >/dev/null && echo ok || true"), "a report")
        assert "refused" not in owner.does(f"cd $TRY/fleet && ringtide ingest --reports {server.repository}")
        assert "cam-1" in owner.does(f"cd $TRY/fleet && ringtide get devices --reports {server.repository}")
