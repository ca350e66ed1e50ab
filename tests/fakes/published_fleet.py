"""A fleet repository, bare and real, with the keys of every custody, and somebody who publishes it."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import RacingRepository, bare
from ringtide_contract import keys
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import PrivateKey
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.adapters.key_folders import CUSTODIES, FolderStatementSigner
from ringtide_engine.adapters.sigstore_second_opinion import SigstoreSecondOpinion
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.adapters.tuf_reader import TufReader
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.publication import PUBLISHED, Published, PublishOutcome
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.establish_trust import Ceremony, CustodyKeys, establish_trust
from ringtide_engine.workflows.plan import plan_change
from ringtide_engine.workflows.publish import Approval, Publisher, publish
from ringtide_engine.workflows.published import read_published
from ringtide_engine.workflows.verify import Verification, verify

START = datetime.fromisoformat("2026-11-23T09:00:00+00:00")
FLEET = "harbour"


@cache
def custody_keys(owner: str) -> Mapping[str, PrivateKey]:
    """Return name to key for every custody of `owner`; made once, for keys cost time."""
    return {name: keys.generate() for names in CUSTODIES.values() for name in names}


def key_folder(folder: Path, owner: str, custody: str) -> Path:
    """Write the private keys of one custody and return the folder."""
    folder.mkdir(parents=True)
    for name in CUSTODIES[custody]:
        path = folder / f"{name}.pem"
        path.write_bytes(keys.private_pem(custody_keys(owner)[name]))
        path.chmod(0o600)
    return folder


def custody(name: str, owner: str, *, signs_too: str | None = None) -> CustodyKeys:
    """Return the keys of an offline role, with those of another owner to sign with."""
    own, others = ([custody_keys(each)[key] for key in CUSTODIES[name]] if each else [] for each in (owner, signs_too))
    return CustodyKeys(public=tuple(key.public_key() for key in own), private=(*own, *others))


def ceremony(owner: str, **changes: object) -> Ceremony:
    """Return the ceremony that establishes all keys of `owner`."""
    found = {name: key.public_key() for name, key in custody_keys(owner).items()}
    usual = {
        "fleet": FLEET,
        "root": custody("root", owner),
        "targets": custody("targets", owner),
        "online": {name: found[name] for name in CUSTODIES["tuf"]},
        "statement": (found["statement"],),
        "epoch": None,
    }
    return Ceremony(**{**usual, **changes})  # type: ignore[arg-type]


@dataclass(slots=True)
class PublishedFleet:
    """The repository, who publishes it, and the present."""

    folder: Path
    repository: RacingRepository
    publisher: Publisher
    now: datetime = START
    root: bytes = b""
    trust: dict[str, bytes] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The newest commit of `main`."""
        head = self.repository.head("main")
        assert head is not None
        return head

    @property
    def commit(self) -> str:
        """The newest commit of `published`."""
        head = self.repository.head(PUBLISHED)
        assert head is not None
        return head

    @property
    def published(self) -> Published:
        """What is published."""
        found = read_published(self.repository, self.commit)
        assert found is not None
        return found

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files of the branch that devices follow."""
        return self.repository.files(self.commit)

    def refs(self) -> str:
        """Return every ref and what it points to."""
        command = ["git", "-C", str(self.folder), "for-each-ref"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def change(self, files: Mapping[str, bytes | None], message: str = "Change") -> str:
        """Commit to `main`, as a merge does."""
        return self.repository.commit("main", parent=self.source, changes=files, message=message, at=self.now)

    def edit(self, path: str, old: str, new: str) -> str:
        """Replace a text in a file of `main`."""
        content = self.repository.files(self.source)[path]
        assert old.encode() in content
        return self.change({path: content.replace(old.encode(), new.encode())})

    def establish(self, owner: str = "us", **changes: object) -> Mapping[str, bytes]:
        """Hold a key ceremony and merge what it wrote."""
        made = establish_trust(self.trust, ceremony(owner, **changes), self.now)
        self.trust |= made
        self.change({f"trust/{name}": content for name, content in made.items()}, "Establish trust")
        return made

    def plan(self) -> Plan:
        """Plan what `main` changes."""
        branch = self.repository.head(PUBLISHED)
        lying = read_published(self.repository, branch)
        base = None if lying is None else self.repository.files(lying.publication.source.commit)
        files = self.repository.files(self.source)
        return plan_change(base, files, today=self.now.date(), engine=CelConditions()).plan

    def publish(self, plan: str | None = None, *, unreviewed: bool = False, **options: bool) -> PublishOutcome:
        """Publish `main`."""
        return publish(self.publisher, Approval(plan=plan, unreviewed=unreviewed), self.now, **options)

    def verify(
        self,
        *,
        root: bytes | None = None,
        devices: Sequence[DeviceId] | None = None,
        floor: Floor = GROUND,
        recompile: bool = True,
    ) -> Verification:
        """Verify what is published."""
        return verify(
            self.repository,
            root=self.root if root is None else root,
            reader=TufReader(),
            second_opinion=SigstoreSecondOpinion(),
            now=self.now,
            devices=devices,
            floor=floor,
            recompile=recompile,
        )

    def tamper(self, change: Callable[[dict[str, bytes]], Mapping[str, bytes | None]]) -> str:
        """Commit to `published`, as who has taken the Git host can."""
        changes = change(dict(self.files))
        return self.repository.commit(
            PUBLISHED, parent=self.commit, changes=changes, message="Publish generation 9", at=self.now
        )

    def generations(self) -> list[tuple[int, str]]:
        """Return number and statement of every publication, oldest first; a refreshed one counts once."""
        found: dict[tuple[int, str], None] = {}
        for info in self.repository.history(self.commit):
            lying = read_published(self.repository, info.id)
            if lying is not None:
                found[lying.publication.generation, lying.payload] = None
        return list(reversed(found))

    def copy(self, folder: Path) -> "PublishedFleet":
        """Return a copy of everything in `folder`: cheaper than to publish again."""
        shutil.copytree(self.folder, folder / "fleet.git")
        repository = RacingRepository(folder / "fleet.git")
        return replace(
            self,
            folder=folder / "fleet.git",
            repository=repository,
            publisher=replace(self.publisher, repository=repository),
            trust=dict(self.trust),
        )

    def later(self, span: timedelta) -> "PublishedFleet":
        """Let time pass."""
        self.now += span
        return self


def unpublished_fleet(folder: Path, files: Mapping[str, bytes], *, owner: str = "us") -> PublishedFleet:
    """Make a fleet whose desired state and trust are on `main`, and nothing is published."""
    repository = RacingRepository(bare(folder / "fleet.git"))
    publisher = Publisher(
        repository=repository,
        statement=FolderStatementSigner(key_folder(folder / "keys/statement", owner, "statement")),
        tuf=TufCustody(key_folder(folder / "keys/tuf", owner, "tuf")),
        policies=CelConditions(),
        replay=replay,
    )
    fleet = PublishedFleet(folder=folder / "fleet.git", repository=repository, publisher=publisher)
    repository.commit("main", parent=None, changes=files, message="Begin", at=START)
    fleet.root = fleet.establish(owner)["1.root.json"]
    return fleet


def published_fleet(folder: Path, devices: int = 12, **options: object) -> PublishedFleet:
    """Make a fleet with release 1.0.0 published as generation 1."""
    fleet = unpublished_fleet(folder, fleet_files(devices, **options))  # type: ignore[arg-type]
    fleet.publish(unreviewed=True)
    return fleet
