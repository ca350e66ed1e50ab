"""What every fault happens to: a device, a publication that asks it for something, and where that must end.

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

from agent.serve.models import Shelf, linear, one_row_only, softmax_golden
from fakes.git_origin import GitOrigin
from fakes.publication import BUNDLE_PATH, CLASS_ID, FLEET, KEY, build_publication, steady
from fakes.tuf_repository import TufRepository
from faults.processes import Agent
from ringtide_contract.artifact import PATCH_FROM, Artifact, Delta
from ringtide_contract.ids import Digest, parse_device_id, report_ref, sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.keys import PublicKey, parse_private_key
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.report import Phase, Report, open_report
from ringtide_engine.adapters.zstd_deltas import make_delta

DEVICE = parse_device_id("cam-001")
OLD, NEW, BAD, LONG = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
NOTHING = ""
SEEDS = {OLD: 1, NEW: 2, BAD: 3, LONG: 4}
PROBATION_S = {OLD: 1, NEW: 1, BAD: 60, LONG: 60}
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
        return GitOrigin.at(self.folder / "reports.git")

    @property
    def key(self) -> PublicKey:
        return parse_private_key((self.state / "device.key").read_bytes()).public_key()

    def active(self) -> Manifest | None:
        """Return what the device runs from, checked byte by byte without the agent's own code; None where it is not whole."""
        model = self.model
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
    def model(self) -> Path:
        return self.state / "models" / "digits"

    @property
    def release(self) -> str:
        """The release that the device runs from; `NOTHING` where it runs none."""
        active = self.active() if (self.model / "active").exists() else None
        return NOTHING if active is None else active.release

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a device is asked for, and where that must end."""

    name: str
    """For people."""
    template: Device
    """The device before it; every try gets a copy."""
    may_run: tuple[str, ...]
    """Releases that the device may be on at any moment."""
    ends: str
    """The release that it must be on in the end."""
    asked: Digest | None
    """What the publication asks for."""
    phase: Phase
    """What its last report must say."""
    poisoned: bool = False
    """Whether callers ask what the new release cannot answer, so that its probation fails."""
    clean_files: frozenset[str] = frozenset()
    """The files of a device that came to the end without a fault."""

    def copy(self, folder: Path) -> Device:
        """Return a device of its own to break."""
        return settle(self.template, folder)

    def answers(self) -> list[list[float]]:
        """Return what each release that may run answers to `QUESTION`."""
        found: list[list[float]] = []
        for release in filter(None, self.may_run):
            weights = np.random.default_rng(SEEDS[release]).normal(size=(64, 10)).astype(np.float32)
            scores = np.exp(QUESTION @ weights - (QUESTION @ weights).max())
            found.append((scores / scores.sum())[0].tolist())
        return found


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
        self.manifests = {release: self._manifest(release) for release in SEEDS}
        self._enroll()
        self.publish(1, OLD)
        self._keep("new")
        code, said = Agent(self.template.folder, "once", "--config", str(self.template.config), "--wait", "60").wait()
        assert code == 0, said
        self._keep("old")
        self.publish(2, NEW)

    def publish(self, generation: int, release: str, *, to: GitOrigin | None = None) -> None:
        """Publish one generation in which the device runs `release`."""
        manifest = self.manifests.get(release)
        row = IndexRow(class_id=CLASS_ID, state="active")
        manifests = [] if manifest is None else [manifest]
        files = build_publication({DEVICE: row}, [steady(manifest)], manifests, generation, issued_at=self.now)
        self.tuf.publish(files.pop(BUNDLE_PATH), self.now)
        (to or self.published).commit({**files, **self.tuf.files})

    def copy(self, folder: Path) -> Device:
        """Return a device of its own to break."""
        return settle(self.template, folder)

    @cached_property
    def update(self) -> Story:
        """From 1.0.0 to 1.1.0."""
        return Story(
            name="an update",
            template=self.template,
            may_run=(OLD, NEW),
            ends=NEW,
            asked=sha256(self.manifests[NEW].encode()),
            phase="confirmed",
        )

    @cached_property
    def revert(self) -> Story:
        """From 1.0.0 to 1.2.0, which fails its probation, and back."""
        return Story(
            name="a revert",
            template=self._asked_for(BAD, "old"),
            may_run=(OLD, BAD),
            ends=OLD,
            asked=sha256(self.manifests[BAD].encode()),
            phase="reverted",
            poisoned=True,
        )

    @cached_property
    def failing(self) -> Story:
        """From 1.0.0 to 1.3.0, whose probation is long enough to fail in, and back."""
        return Story(
            name="a failing probation",
            template=self._asked_for(LONG, "old"),
            may_run=(OLD, LONG),
            ends=OLD,
            asked=sha256(self.manifests[LONG].encode()),
            phase="reverted",
        )

    @cached_property
    def first(self) -> Story:
        """From nothing to 1.0.0."""
        return Story(
            name="a first install",
            template=self._asked_for(OLD, "new"),
            may_run=(NOTHING, OLD),
            ends=OLD,
            asked=sha256(self.manifests[OLD].encode()),
            phase="confirmed",
        )

    @cached_property
    def removal(self) -> Story:
        """From 1.0.0 to nothing."""
        return Story(
            name="a removal",
            template=self._asked_for(NOTHING, "old"),
            may_run=(OLD, NOTHING),
            ends=NOTHING,
            asked=None,
            phase="absent",
        )

    @cached_property
    def rest(self) -> Story:
        """Runs 1.0.0 as it should."""
        return Story(
            name="rest",
            template=self._asked_for(None, "old"),
            may_run=(OLD,),
            ends=OLD,
            asked=sha256(self.manifests[OLD].encode()),
            phase="confirmed",
        )

    def _keep(self, name: str) -> None:
        """Keep the device and the publication as they are now, for another story."""
        shutil.copytree(self.template.folder, self.folder / name / "device", symlinks=True)
        shutil.copytree(self.published.path, self.folder / name / "fleet.git", symlinks=True)

    def _asked_for(self, release: str | None, kept: str) -> Device:
        """Return a device as it was kept, before a publication of its own that asks for `release`; None for no new one."""
        folder = self.folder / f"{kept}-to-{release or release is None}"
        shutil.copytree(self.folder / kept, folder, symlinks=True)
        device, origin = Device(folder=folder / "device"), GitOrigin.at(folder / "fleet.git")
        text = device.config.read_text().replace(self.published.url, origin.url)
        device.config.write_text(text.replace(str(self.template.folder), str(device.folder)))
        if release is not None:
            self.publish(2, release, to=origin)
        return device

    def _manifest(self, release: str) -> Manifest:
        seed = SEEDS[release]
        graph, golden = linear(seed), softmax_golden(seed)
        if release == BAD:
            graph, golden = one_row_only(seed), softmax_golden(seed, rows=1)
        made = self.shelf.release(graph, golden=golden, release=release)
        artifacts = tuple(
            replace(artifact, uris=(Path(made.files[artifact.name]).as_uri(),)) for artifact in made.manifest.artifacts
        )
        terms = Probation(
            seconds=PROBATION_S[release], min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0
        )
        if release not in (NOTHING, OLD):
            artifacts = (self._patchable(artifacts[0], graph), *artifacts[1:])
        return replace(made.manifest, artifacts=artifacts, probation=terms)

    def _patchable(self, artifact: Artifact, graph: bytes) -> Artifact:
        """Offer a delta from 1.0.0: what updates a device then comes by patching, and its first install whole."""
        base = linear(SEEDS[OLD])
        content = make_delta(base, graph)
        assert len(content) < len(graph)
        path = self.shelf.folder / f"{artifact.sha256}.delta"
        path.write_bytes(content)
        delta = Delta(
            base=sha256(base),
            method=PATCH_FROM,
            sha256=sha256(content),
            size_bytes=len(content),
            uris=(path.as_uri(),),
        )
        return replace(artifact, deltas=(delta,))

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
