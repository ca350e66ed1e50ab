"""Engine and agent one version apart, both ways, with real processes: what either adds to the wire, the other passes over.

The other version is this source tree with the next number, whose every document on the wire carries members that this one
does not know: what a later version may do (docs/upgrading-the-agent.md). What an earlier version wrote is kept in
tests/vectors/released and read by tests/contract/test_released_vectors.py.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.fleet_files import DIGITS, fleet_files
from fakes.fleet_pair import RacingRepository, bare
from fakes.own_versions import ROOT, Service, lay_out, pack
from fakes.published_fleet import ceremony, key_folder
from ringtide_contract.ids import report_ref
from ringtide_contract.manifest import RUNTIME_MODEL
from ringtide_engine.workflows.establish_trust import establish_trust

pytestmark = pytest.mark.journey

DEVICE = "edge-s-0001"
PLACED = "placements/digits-everywhere.yaml"
AGENT = """\
apiVersion: ringtide/v1
kind: Placement
name: agent
model: ringtide-agent
cohort: all
release: {release}
"""


def adds_members(text: str) -> str:
    """Return the source of `canonical` of a version that says more in every document."""
    before = "def encode(value: Json) -> bytes:"
    assert text.count(before) == 1
    head, _, tail = text.partition(before)
    more = (
        "def encode(value: Json) -> bytes:\n"
        '    """Return the bytes of a document, with what the next version adds."""\n'
        '    if isinstance(value, dict) and "apiVersion" in value:\n'
        '        value = {**value, "addedLater": {"why": "the next version", "list": [1, None, "x"]}}\n'
        "    return _encode(value)\n\n\n"
        "def _encode(value: Json) -> bytes:"
    )
    return head + more + tail


class Fleet:
    """A fleet of one device: its repositories, its engine in two versions, its agent in two versions."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.state = folder, folder / "store", folder / "state"
        self.repository, self.reports = bare(folder / "fleet.git"), bare(folder / "reports.git")
        self.keys = {name: key_folder(folder / "keys" / name, "us", name) for name in ("statement", "tuf")}
        self.old = os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent"))
        self.new = self._next_engine()
        self.git = RacingRepository(self.repository)
        self._begin()
        package = lay_out(folder / "package", "0.1.0")
        self.device = Service(folder, package, self.state)

    def ringtide(self, version: str, *words: str) -> str:
        """Run a command of one version of the engine."""
        return self._run(version, "ringtide_engine.cli", *words)

    def publish(self, version: str, files: Mapping[str, str]) -> None:
        """Merge files and publish them with one version of the engine."""
        content: dict[str, bytes | None] = {path: text.encode() for path, text in files.items()}
        self.git.commit("main", parent=self.git.head("main"), changes=content, message="Change", at=datetime.now(UTC))
        custody = [f"--{name}-keys={path}" for name, path in self.keys.items()]
        self.ringtide(version, "publish", "-C", str(self.repository), *custody, "--accept-unreviewed-plan")

    def ingest(self, version: str) -> str:
        """Collect the reports with one version of the engine; none may be refused."""
        said = self.ringtide(version, "ingest", "-C", str(self.repository), "--reports", str(self.reports))
        assert "no findings" in said, said
        assert not said.startswith("0 reports"), said
        return said

    def said(self) -> dict[str, object]:
        """Return the newest report, as it lies in the reports repository."""
        tree = f"{report_ref(DEVICE)}:reports"  # type: ignore[arg-type]
        names = self._git("ls-tree", "--name-only", tree).split()
        if not names:
            return {}
        newest = max(names, key=lambda name: int(name.removesuffix(".json")))
        envelope = json.loads(self._git("show", f"{tree}/{newest}"))
        found: dict[str, object] = json.loads(base64.b64decode(envelope["payload"]))
        return found

    def runs(self, agent: str, digits: str, *, adds: bool) -> Callable[[], bool]:
        """Tell whether the device says that it runs these versions, confirmed."""

        def seen() -> bool:
            report = self.said()
            models: dict[str, dict[str, dict[str, str]]] = report.get("models", {})  # type: ignore[assignment]
            part = models.get("digits", {})
            running = (part.get("active") or {}).get("release")
            settled = all(each["phase"] in ("confirmed", "absent") for each in models.values())  # type: ignore[comparison-overlap]
            says_more = "addedLater" in report
            return settled and (report.get("agent"), running, says_more) == (agent, digits, adds)

        return seen

    def _begin(self) -> None:
        files = fleet_files(1, store=self.store.as_uri(), min_devices=1)
        files = {path: content for path, content in files.items() if not path.startswith("devices/")}
        files["fleet.yaml"] = files["fleet.yaml"].replace(b"duration: 10m", b"duration: 1s")
        files["fleet.yaml"] = files["fleet.yaml"].replace(b"minRequests: 20", b"minRequests: 0")
        self.store.mkdir()
        for path in DIGITS.rglob("*"):
            if path.suffix in (".onnx", ".json") and path.parent != DIGITS:
                content = path.read_bytes()
                (self.store / hashlib.sha256(content).hexdigest()).write_bytes(content)
        trust = establish_trust({}, ceremony("us"), datetime.now(UTC))
        files |= {f"trust/{name}": content for name, content in trust.items()}
        (self.folder / "root.json").write_bytes(trust["1.root.json"])
        enrolled = self._run(
            self.old, "ringtide_agent", "enroll", "--fleet", "harbour", "--device", DEVICE, "--hardware-class", "edge-s",
            "--label", "region=eu", "--label", "site=eu-001", "--root", str(self.folder / "root.json"),
            "--publication", self.repository.as_uri(), "--reports", self.reports.as_uri(),
            "--state-dir", str(self.state), "--serve-port", "0", "--poll-interval", "1", "--report-interval", "1",
        )  # fmt: skip
        files[f"devices/{DEVICE}.yaml"] = enrolled.encode()
        self.git.commit("main", parent=None, changes=files, message="Begin", at=datetime.now(UTC))

    def _next_engine(self) -> str:
        folder = self.folder / "next-engine"
        ignored = shutil.ignore_patterns("__pycache__")
        for root in ("contract", "engine"):
            shutil.copytree(ROOT / root, folder / root, ignore=ignored)
        for name in ("policies", "fleet-repo-template"):
            shutil.copytree(ROOT / name, folder / name)
        path = folder / "contract" / "ringtide_contract" / "canonical.py"
        path.write_text(adds_members(path.read_text()))
        version = folder / "engine" / "ringtide_engine" / "__init__.py"
        version.write_text(version.read_text().replace('__version__ = "0.1.0"', '__version__ = "0.2.0"'))
        return os.pathsep.join(str(folder / name) for name in ("contract", "engine"))

    def _run(self, path: str, module: str, *words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-P", "-m", module, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _git(self, *words: str) -> str:
        done = subprocess.run(["git", "-C", str(self.reports), *words], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""


def test_engine_and_agent_are_one_version_apart_both_ways(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    placed = fleet.git.files(str(fleet.git.head("main")))[PLACED].decode()
    fleet.publish(fleet.old, {})
    fleet.device.run_until(fleet.runs("0.1.0", "1.0.0", adds=False))
    fleet.ingest(fleet.old)

    # The engine goes ahead: the agent passes over what it does not know, installs, and is heard.
    assert fleet.ringtide(fleet.new, "--version").strip().endswith("0.2.0")
    fleet.publish(fleet.new, {PLACED: placed.replace('"1.0.0"', '"1.1.0"')})
    assert b"addedLater" in fleet.git.files(str(fleet.git.head("published")))["head.json"]
    fleet.device.run_until(fleet.runs("0.1.0", "1.1.0", adds=False))
    fleet.ingest(fleet.new)

    # The agent goes ahead, through the fleet itself: the engine before takes its reports, and its next publication is installed.
    change = {"ringtide_contract/canonical.py": adds_members}
    archive = tmp_path / "0.2.0.tar.gz"
    pack(lay_out(tmp_path / "next-agent", "0.2.0", change), archive)
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", str(fleet.repository), str(work)], check=True)
    budget = "--budget=edge-s:p95=10s,memory=1GiB"
    fleet.ringtide(
        fleet.old, "runtime", "add", "0.2.0", "-C", str(work), "--store", "models", "--archive", str(archive), budget
    )
    release = (work / "models" / RUNTIME_MODEL / "0.2.0.yaml").read_text()
    files = {f"models/{RUNTIME_MODEL}/0.2.0.yaml": release, "placements/agent.yaml": AGENT.format(release='"0.2.0"')}
    fleet.publish(fleet.old, files)
    fleet.device.run_until(fleet.runs("0.2.0", "1.1.0", adds=True))
    fleet.ingest(fleet.old)
    fleet.publish(fleet.old, {PLACED: placed.replace('"1.0.0"', '"1.2.0"')})
    fleet.device.run_until(fleet.runs("0.2.0", "1.2.0", adds=True))
    fleet.ingest(fleet.old)

    # Both are ahead, and then the agent goes back to its package under the engine that is ahead.
    fleet.publish(fleet.new, {"placements/agent.yaml": AGENT.format(release="null")})
    fleet.device.run_until(fleet.runs("0.1.0", "1.2.0", adds=False))
    fleet.ingest(fleet.new)
