"""A whole device by its command line: real repositories, real TUF, a real model, a real worker process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.serve.models import Shelf, linear, softmax_golden
from fakes.git_origin import GitOrigin
from fakes.publication import BUNDLE_PATH, CLASS_ID, FLEET, KEY, build_publication, steady
from fakes.tuf_repository import TufRepository
from ringtide_contract.ids import parse_device_id, report_ref, sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.keys import parse_private_key
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.report import Report, open_report

pytestmark = pytest.mark.journey

DEVICE = parse_device_id("cam-001")
NOW = datetime.now(UTC)


class World:
    """A fleet owner who publishes, and one device."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.shelf = Shelf(folder=folder / "store")
        self.shelf.folder.mkdir()
        self.tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=NOW)
        (folder / "root.json").write_bytes(self.tuf.trusted_root)
        self.published, self.reports = GitOrigin(folder / "fleet.git"), GitOrigin(folder / "reports.git")

    def manifest(self, release: str, seed: int) -> Manifest:
        """Put a release in the artifact store."""
        made = self.shelf.release(linear(seed), golden=softmax_golden(seed), release=release)
        artifacts = tuple(
            replace(artifact, uris=(f"file://{self.shelf.folder}/missing", Path(made.files[artifact.name]).as_uri()))
            for artifact in made.manifest.artifacts
        )
        return replace(
            made.manifest,
            artifacts=artifacts,
            probation=Probation(
                seconds=1, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0
            ),
        )

    def publish(self, generation: int, manifest: Manifest) -> None:
        """Publish one generation in which the device runs `manifest`."""
        row = IndexRow(class_id=CLASS_ID, state="active")
        files = build_publication({DEVICE: row}, [steady(manifest)], [manifest], generation, issued_at=NOW)
        self.tuf.publish(files.pop(BUNDLE_PATH), NOW)
        self.published.commit({**files, **self.tuf.files})

    def command(self, name: str, *arguments: str, code: int) -> subprocess.CompletedProcess[str]:
        """Run a command of the device."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ORT_DISABLE_TELEMETRY": "1",
        }
        words: Sequence[str] = [sys.executable, "-P", "-m", "ringtide_agent", name, *arguments]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stderr
        return done

    def enroll(self) -> None:
        """Enroll the device."""
        self.command(
            "enroll", "--fleet", FLEET, "--device", DEVICE, "--hardware-class", "bench",
            "--root", str(self.folder / "root.json"), "--publication", self.published.url,
            "--reports", self.reports.url, "--state-dir", str(self.state), "--serve-port", "0",
            "--poll-interval", "1", code=0,
        )  # fmt: skip

    def once(self, *, code: int = 0) -> str:
        """Let it reconcile; return what it wrote to standard error."""
        return self.command("once", "--config", f"{self.state}/agent.toml", "--wait", "60", code=code).stderr

    def phase(self) -> tuple[str, str]:
        """Return phase and active release as `status` shows them."""
        done = self.command("status", "--config", f"{self.state}/agent.toml", "-o", "json", code=0)
        part = json.loads(done.stdout)["models"]["digits"]
        return part["phase"], part["active"]["release"]

    def last_report(self) -> Report:
        """Return the newest report in the reports repository, its signature checked."""
        ref = report_ref(DEVICE)
        names = self.reports.git("ls-tree", "--name-only", f"{ref}:reports").split()
        newest = max(names, key=lambda name: int(name.removesuffix(".json")))
        sealed = self.reports.git("show", f"{ref}:reports/{newest}").encode()
        key = parse_private_key((self.state / "device.key").read_bytes()).public_key()
        return open_report(sealed, key, fleet=FLEET, device=DEVICE)[0]


def test_a_device_installs_moves_on_and_refuses_the_past(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.enroll()

    first = world.manifest("1.0.0", 1)
    world.publish(1, first)
    yesterday = dict(world.tuf.files)
    before = world.published.tip()
    world.once()
    assert world.phase() == ("confirmed", "1.0.0")

    second = world.manifest("1.1.0", 2)
    world.publish(2, second)
    world.once()
    assert world.phase() == ("confirmed", "1.1.0")
    report = world.last_report()
    running = report.models["digits"].active
    assert running is not None
    assert (running.manifest, report.generation) == (sha256(second.encode()), 2)
    assert world.reports.git("log", "-1", "--format=%s", report_ref(DEVICE)).endswith("digits 1.1.0 confirmed\n")

    world.published.git("update-ref", "refs/heads/published", before)
    assert yesterday["metadata/timestamp.json"] != world.tuf.files["metadata/timestamp.json"]
    assert "TUF-VERSION" in world.once(code=4)
    assert world.phase() == ("confirmed", "1.1.0")
    assert [condition.type for condition in world.last_report().conditions] == ["trust-refused"]
