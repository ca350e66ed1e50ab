"""A small whole fleet: bare repositories, a store, keys of every custody, and one device that has installed digits 1.0.0.

The engine's verbs run in this process, the agent's commands in processes of their own; both by their command lines.
"""

import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from fakes.fleet_files import DIGITS, fleet_files
from ringtide_contract.ids import parse_device_id, report_ref, sha256
from ringtide_contract.keys import PrivateKey, parse_private_key
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import ModelReport, Report, open_report
from ringtide_engine.adapters.git_repository import GitRepository
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.cli.main import run
from ringtide_engine.model.publication import PUBLISHED, Published
from ringtide_engine.workflows.published import read_published

FLEET = "harbour"
"""What `fleet_files` calls its fleet."""

DEVICE = parse_device_id("cam-001")
PLACEMENT = "placements/digits-everywhere.yaml"
CUSTODIES = ("root", "targets", "tuf", "statement")
AGENT_S = 120
"""No command of the agent takes longer; past it the test fails."""

Running = Mapping[str, str]
"""File of the running release to the digest of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command wrote."""

    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFleet:
    """The fleet, its owner and its device."""

    folder: Path
    """Everything is below it."""

    @property
    def repository(self) -> GitRepository:
        return GitRepository(self.folder / "fleet.git")

    @property
    def reports(self) -> GitRepository:
        return GitRepository(self.folder / "reports.git")

    @property
    def state(self) -> Path:
        """The state folder of the device."""
        return self.folder / "device"

    def keys(self, custody: str) -> Path:
        return self.folder / "keys" / custody

    def ringtide(self, *arguments: str | Path, code: int = 0) -> Said:
        """Run a verb; a defect is no answer to anything."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            answer = run([str(each) for each in arguments])
        return _checked(Said(out=out.getvalue(), err=err.getvalue()), answer, code)

    def files(self) -> dict[str, bytes]:
        """Return the desired state."""
        return dict(self.repository.files(self.tip("main")))

    def tip(self, branch: str) -> str:
        found = self.repository.head(branch)
        assert found is not None
        return found

    def change(self, files: Mapping[str, bytes | None], *, branch: str = "main", message: str = "Change") -> str:
        """Commit to a branch of the fleet repository, as who may write there can."""
        repository = self.repository
        head = repository.head(branch)
        return repository.commit(branch, parent=head, changes=files, message=message, at=SystemClock().now())

    def edited(self, path: str, old: str, new: str) -> dict[str, bytes | None]:
        """Return the change that replaces a text in a file of `main`."""
        content = self.files()[path]
        assert old.encode() in content
        return {path: content.replace(old.encode(), new.encode())}

    def publish(self, *more: str | Path, code: int = 0) -> Said:
        custodies = (f"--{name}-keys={self.keys(name)}" for name in ("statement", "tuf"))
        return self.ringtide("publish", "-C", self.folder / "fleet.git", *custodies, *more, code=code)

    def release(self, version: str, files: Mapping[str, bytes], *edits: tuple[str, str]) -> dict[str, bytes | None]:
        """Store a release's files and return the change that places it, as somebody does who asks no `model add`.

        Args:
            version: One of the demo's releases, whose YAML is taken.
            files: `fp32.onnx`, `golden.json`: what differs from the demo's files.
            edits: Texts to replace in the YAML.
        """
        digests = {f"{version}/{name}": (sha256(content), len(content)) for name, content in files.items()}
        shipped = {path.name: path.read_bytes() for path in (DIGITS / version).iterdir()}
        for content in {**shipped, **files}.values():
            (self.folder / "store" / sha256(content)).write_bytes(content)
        path = f"models/digits/{version}.yaml"
        text = fleet_files(0, store_digests=digests)[path].decode()
        for old, new in (_PATIENCE, *edits):
            assert old in text
            text = text.replace(old, new)
        return {path: text.encode(), **self.edited(PLACEMENT, 'release: "1.0.0"', f'release: "{version}"')}

    def agent(self, *arguments: str | Path, code: int = 0) -> Said:
        """Run a command of the device."""
        done = subprocess.run(
            [*_AGENT, *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=AGENT_S, env=_environment(),
        )  # fmt: skip
        return _checked(Said(out=done.stdout, err=done.stderr), done.returncode, code)

    def once(self, *, wait: int = 0, code: int = 0) -> Said:
        """Let the device reconcile: one turn, and more of them where it is given time."""
        return self.agent("once", "--config", self.state / "agent.toml", "--wait", str(wait), code=code)

    def running(self) -> Running:
        """Return what the device needs to go on: which slot is active, what it holds, every blob that it names."""
        model = self.state / "models" / "digits"
        slot = model / (model / "active").read_text()
        manifest = Manifest.decode((slot / "manifest.json").read_bytes())
        blobs = [self.state / "blobs" / each.sha256[:2] / each.sha256 for each in manifest.artifacts]
        needed = [model / "active", slot / "manifest.json", slot / "digest", *blobs]
        return {str(path.relative_to(self.state)): sha256(path.read_bytes()) for path in needed}

    def kept(self) -> Mapping[str, str]:
        """Return everything that the device keeps, but for its reports and what it has learnt of the transport."""
        passing = ("git/", "trust/metadata/", "trust/targets/", "journal/reports.json", "lock")
        paths = {str(path.relative_to(self.state)): path for path in self.state.rglob("*") if path.is_file()}
        return {name: sha256(path.read_bytes()) for name, path in paths.items() if not name.startswith(passing)}

    def last_report(self) -> Report:
        """Return the newest report in the reports repository, its signature checked."""
        head = self.reports.head(f"reports/{DEVICE}")
        assert head is not None
        files = self.reports.files(head, "reports/")
        newest = max(files, key=lambda path: int(Path(path).stem))
        return open_report(files[newest], self.device_key().public_key(), fleet=FLEET, device=DEVICE)[0]

    def digits(self) -> ModelReport:
        """Return what the device last said of its model."""
        return self.last_report().models["digits"]

    def device_key(self) -> PrivateKey:
        return parse_private_key((self.state / "device.key").read_bytes())

    def answering_release(self) -> str:
        """Start the agent, ask it for an inference, end it; return the release that answered."""
        with self._serving() as port:
            tensor = {"name": "image", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=AGENT_S)
            connection.request("POST", "/v2/models/digits/infer", json.dumps({"inputs": [tensor]}))
            answer = json.loads(connection.getresponse().read())
            connection.close()
        return str(answer["model_version"])

    @contextmanager
    def _serving(self) -> Iterator[int]:
        with subprocess.Popen(
            [*_AGENT, "run", "--config", str(self.state / "agent.toml")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment(),
        ) as process:  # fmt: skip
            overdue = threading.Timer(AGENT_S, process.kill)
            overdue.start()
            try:
                assert process.stderr is not None
                found = (re.search(r"serving on http://.*:(\d+)", line) for line in process.stderr)
                yield int(next(match for match in found if match)[1])
                process.send_signal(signal.SIGTERM)
                assert "Traceback" not in process.communicate()[1]
                assert process.returncode == 0
            finally:
                overdue.cancel()
                process.kill()

    @property
    def published(self) -> Published:
        """What devices are offered now."""
        found = read_published(self.repository, self.tip(PUBLISHED))
        assert found is not None
        return found

    def refs(self) -> Mapping[str, str]:
        """Return every ref of both repositories and what it points to."""
        found: dict[str, str] = {}
        for name in ("fleet.git", "reports.git"):
            command = ["git", "-C", str(self.folder / name), "for-each-ref", "--format=%(refname) %(objectname)"]
            lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
            found |= {f"{name} {ref}": commit for ref, _, commit in (line.partition(" ") for line in lines)}
        return found


@contextmanager
def unharmed(fleet: SmallFleet, *, accepted: bool = False) -> Iterator[None]:
    """Check that what happens inside moves no ref but the device's own, and that 1.0.0 runs on and answers.

    Args:
        fleet: The fleet.
        accepted: Whether the device accepts the publication, and refuses only the release that it asks for: then its
            floor rises to that publication, and it remembers what it saw. Otherwise nothing at all may change on it.
    """
    refs, running, kept = fleet.refs(), fleet.running(), fleet.kept()
    yield
    own = f"reports.git {report_ref(DEVICE)}"
    assert {**fleet.refs(), own: ""} == {**refs, own: ""}
    assert fleet.running() == running
    floor = json.loads((fleet.state / "floor.json").read_bytes().splitlines()[0])
    if accepted:
        assert floor["generation"] == fleet.published.publication.generation
        assert floor["payload"] == fleet.published.payload
    else:
        assert fleet.kept() == kept
    assert fleet.answering_release() == "1.0.0"
    assert fleet.running() == running


def small_fleet(folder: Path) -> SmallFleet:
    """Make the fleet: generation 1 places nothing, generation 2 places digits 1.0.0, the device has confirmed it."""
    fleet = SmallFleet(folder=folder)
    establish(fleet, FLEET)
    document = fleet.agent(
        "enroll", "--fleet", FLEET, "--device", DEVICE, "--hardware-class", "edge-m",
        "--root", folder / "desk" / "trust" / "1.root.json", "--publication", (folder / "fleet.git").as_uri(),
        "--reports", (folder / "reports.git").as_uri(), "--state-dir", fleet.state, "--serve-port", "0",
    ).out  # fmt: skip
    fleet.change({f"devices/{DEVICE}.yaml": document.encode()}, message="Enroll a camera")
    fleet.publish("--accept-unreviewed-plan")
    fleet.change(fleet.edited(PLACEMENT, "release: null", 'release: "1.0.0"'), message="Place digits 1.0.0")
    fleet.publish("--accept-unreviewed-plan")
    fleet.once(wait=90)
    assert (fleet.digits().phase, fleet.last_report().generation) == ("confirmed", 2)
    fleet.ringtide("ingest", "-C", folder / "fleet.git", "--reports", folder / "reports.git")
    return fleet


def establish(fleet: SmallFleet, name: str) -> None:
    """Make the repositories, the store with 1.0.0, the keys, and commit the desired state and the trust."""
    for repository in ("fleet.git", "reports.git"):
        command = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(fleet.folder / repository)]
        subprocess.run(command, check=True, capture_output=True)
    store, desk = fleet.folder / "store", fleet.folder / "desk"
    store.mkdir()
    for shipped in (DIGITS / "1.0.0").iterdir():
        shutil.copyfile(shipped, store / sha256(shipped.read_bytes()))
    files = fleet_files(0, release=None, store=store.as_uri())
    files = {path: content for path, content in files.items() if "digits/1.1" not in path and "digits/1.2" not in path}
    shortened = (("name: harbour", f"name: {name}"), ("duration: 10m", "duration: 0s"), ("Requests: 20", "Requests: 0"))
    for edited, edits in (("fleet.yaml", shortened), ("models/digits/1.0.0.yaml", (_PATIENCE,))):
        for old, new in edits:
            assert old.encode() in files[edited]
            files[edited] = files[edited].replace(old.encode(), new.encode())
    for path, content in files.items():
        (desk / path).parent.mkdir(parents=True, exist_ok=True)
        (desk / path).write_bytes(content)
    for custody in CUSTODIES:
        fleet.ringtide("key", "new", custody, fleet.keys(custody))
    folders = [part for custody in CUSTODIES for part in (f"--{custody}", fleet.keys(custody))]
    fleet.ringtide("key", "establish", "-C", desk, *folders)
    trust = {f"trust/{path.name}": path.read_bytes() for path in (desk / "trust").iterdir()}
    fleet.change({**files, **trust}, message="Begin")


_PATIENCE = ("edge-m: {p95Latency: 100ms", "edge-m: {p95Latency: 10s")
"""A busy machine is no slow model."""

_AGENT = (sys.executable, "-P", "-m", "ringtide_agent")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "ORT_DISABLE_TELEMETRY": "1"}


def _checked(said: Said, answer: int, code: int) -> Said:
    assert "Traceback" not in said.err
    assert "defect of ringtide" not in said.err
    assert answer == code, said.err
    return said
