"""What every fault happens to: a device that runs 1.0.0, confirmed, and a publication that asks it for 1.1.0.

Everything is real: bare repositories, TUF, a folder of artifacts, small ONNX models, the agent's own command line. It is
made once; each try gets a copy of the device and of the repository that takes its reports.
"""

import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from agent.serve.models import Shelf, linear, softmax_golden
from fakes.git_origin import GitOrigin
from fakes.publication import BUNDLE_PATH, CLASS_ID, FLEET, KEY, build_publication, steady
from fakes.tuf_repository import TufRepository
from faults.processes import Agent
from ringtide_contract.ids import Digest, parse_device_id, report_ref, sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.keys import PublicKey, parse_private_key
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.report import Report, open_report

DEVICE = parse_device_id("cam-001")
OLD, NEW = "1.0.0", "1.1.0"
SEEDS = {OLD: 1, NEW: 2}
QUESTION = np.random.default_rng(7).normal(size=(1, 64)).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device's folder and the repository of its reports."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        return self.state / "agent.toml"

    @property
    def origin(self) -> GitOrigin:
        origin = GitOrigin.__new__(GitOrigin)
        origin.path = self.folder / "reports.git"
        return origin

    @property
    def key(self) -> PublicKey:
        return parse_private_key((self.state / "device.key").read_bytes()).public_key()

    def active(self) -> Manifest | None:
        """Return what the device runs from, checked byte by byte without the agent's own code; None where it is not whole."""
        model = self.state / "models" / "digits"
        slot = model / (model / "active").read_text()
        content = (slot / "manifest.json").read_bytes()
        if sha256(content) != (slot / "digest").read_text():
            return None
        manifest = Manifest.decode(content)
        for artifact in manifest.artifacts:
            blob = self.state / "blobs" / artifact.sha256[:2] / artifact.sha256
            if not blob.is_file() or sha256(blob.read_bytes()) != artifact.sha256:
                return None
        return manifest

    @property
    def release(self) -> str:
        """The release that the device runs from."""
        active = self.active()
        return "" if active is None else active.release

    def reports(self) -> list[tuple[Report, Digest]]:
        """Return every report that reached the repository, its signature checked, and its payload's digest, by number."""
        ref = report_ref(DEVICE)
        origin = self.origin
        if not origin.tip(ref):
            return []
        names = origin.git("ls-tree", "--name-only", f"{ref}:reports").split()
        numbers = sorted(int(name.removesuffix(".json")) for name in names)
        sealed = [origin.git("show", f"{ref}:reports/{number}.json").encode() for number in numbers]
        opened = [open_report(content, self.key, fleet=FLEET, device=DEVICE) for content in sealed]
        return [(report, sha256(payload)) for report, payload in opened]

    def files(self) -> set[str]:
        """Return the files of the state folder, but for git's caches, which have limits of their own."""
        return {
            str(path.relative_to(self.state))
            for path in self.state.rglob("*")
            if path.is_file() and path.relative_to(self.state).parts[0] != "git"
        }


@dataclass(kw_only=True)
class Scene:
    """The fleet's owner and the device that everything is tried with."""

    folder: Path

    def __post_init__(self) -> None:
        """Make the fleet, install 1.0.0, publish 1.1.0."""
        self.now = datetime.now(UTC)
        self.shelf = Shelf(folder=self.folder / "store")
        self.shelf.folder.mkdir(parents=True)
        self.tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=self.now)
        (self.folder / "root.json").write_bytes(self.tuf.trusted_root)
        self.published = GitOrigin(self.folder / "fleet.git")
        self.template = Device(folder=self.folder / "template")
        GitOrigin(self.template.folder / "reports.git")
        self.manifests = {release: self._manifest(release) for release in (OLD, NEW)}
        self._enroll()
        self.publish(1, OLD)
        code, said = Agent(self.template.folder, "once", "--config", str(self.template.config), "--wait", "60").wait()
        assert code == 0, said
        self.publish(2, NEW)

    def publish(self, generation: int, release: str, *, issued_at: datetime | None = None) -> None:
        """Publish one generation in which the device runs `release`."""
        manifest = self.manifests[release]
        row = IndexRow(class_id=CLASS_ID, state="active")
        files = build_publication(
            {DEVICE: row}, [steady(manifest)], [manifest], generation, issued_at=issued_at or self.now
        )
        self.tuf.publish(files.pop(BUNDLE_PATH), issued_at or self.now)
        self.published.commit({**files, **self.tuf.files})

    def copy(self, folder: Path) -> Device:
        """Return a device of its own to break."""
        return settle(self.template, folder)

    @cached_property
    def clean_files(self) -> frozenset[str]:
        """The files of a device that the update reached without a fault."""
        device = self.copy(self.folder / "clean")
        code, said = Agent(device.folder, "once", "--config", str(device.config), "--wait", "60").wait()
        assert code == 0, said
        return frozenset(device.files())

    @cached_property
    def digest(self) -> Digest:
        """Digest of the new release's manifest."""
        return sha256(self.manifests[NEW].encode())

    def answers(self) -> dict[str, list[float]]:
        """Return what each release answers to `QUESTION`."""
        found: dict[str, list[float]] = {}
        for release, seed in SEEDS.items():
            weights = np.random.default_rng(seed).normal(size=(64, 10)).astype(np.float32)
            scores = np.exp(QUESTION @ weights - (QUESTION @ weights).max())
            found[release] = (scores / scores.sum())[0].tolist()
        return found

    def _manifest(self, release: str) -> Manifest:
        seed = SEEDS[release]
        made = self.shelf.release(linear(seed), golden=softmax_golden(seed), release=release)
        artifacts = tuple(
            replace(artifact, uris=(Path(made.files[artifact.name]).as_uri(),)) for artifact in made.manifest.artifacts
        )
        terms = Probation(seconds=1, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0)
        return replace(made.manifest, artifacts=artifacts, probation=terms)

    def _enroll(self) -> None:
        code, said = Agent(
            self.template.folder, "enroll", "--fleet", FLEET, "--device", DEVICE, "--hardware-class", "bench",
            "--root", str(self.folder / "root.json"), "--publication", self.published.url,
            "--reports", f"file://{self.template.folder}/reports.git", "--state-dir", str(self.template.state),
            "--serve-port", "0", "--poll-interval", "1",
        ).wait()  # fmt: skip
        assert code == 0, said
        text = self.template.config.read_text()
        for key, value in (("fetch_deadline_s", 20), ("disk_reserve_mib", 0)):
            text = re.sub(rf"(?m)^# {key} = \d+", f"{key} = {value}", text)
        self.template.config.write_text(text)


def settle(device: Device, folder: Path, *, named: Path | None = None) -> Device:
    """Copy a device to another folder, and tell it so; `named` is the folder that it knows of, where that is another."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(device.folder, folder, symlinks=True)
    copy = Device(folder=folder)
    text = copy.config.read_text().replace(str(named or device.folder), str(folder))
    copy.config.write_text(text)
    return copy
