"""The one place that names adapters: small functions that return ports.

Diet: everything, imported inside the functions, so that a verb loads what it uses and `--help` loads nothing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringtide_contract.keys import PrivateKey, PublicKey
    from ringtide_engine.adapters.git_work_tree import GitWorkTree
    from ringtide_engine.compile.agent_sbom import ArchiveFacts
    from ringtide_engine.model.policy import PolicyEngine
    from ringtide_engine.ports import (
        ArtifactStore,
        Clock,
        DeviceCertificates,
        Forge,
        Inbox,
        Mirror,
        Repository,
        SecondOpinion,
        TrustReader,
    )
    from ringtide_engine.workflows.add_model import ModelFiles
    from ringtide_engine.workflows.publish import Publisher


def fleet_repository(folder: Path) -> "Repository":
    """Return the fleet repository in `folder`, or around it.

    Raises:
        InputError: There is none.
    """
    from ringtide_engine.adapters.git_repository import GitRepository

    return GitRepository(folder)


def reports_repository(folder: Path) -> "Repository":
    """Return the reports repository in `folder`.

    Raises:
        InputError: There is none.
    """
    from ringtide_engine.adapters.git_repository import GitRepository

    return GitRepository(folder)


@contextmanager
def cloned_repository(address: str) -> "Iterator[Repository]":
    """Give a bare clone of the repository at `address`, for as long as it is needed."""
    from tempfile import TemporaryDirectory

    from ringtide_engine.adapters.git_repository import GitRepository

    with TemporaryDirectory(prefix="ringtide-clone-") as folder:
        yield GitRepository.clone(address, Path(folder))


def new_repository(folder: Path, files: Mapping[str, bytes], message: str) -> str:
    """Write files into a new repository, commit them on `main`, and return the commit.

    Raises:
        InputError: The folder is not empty, or cannot be written.
    """
    from ringtide_engine.adapters.new_repository import create

    return create(folder, files, message=message)


def guard_reports(folder: Path, writers: Sequence[str], *, dry_run: bool) -> Sequence[str]:
    """Install the hooks of a reports repository, and return what is in force.

    Raises:
        InputError: The folder holds something else, or other hooks, or cannot be written.
    """
    from ringtide_engine.adapters import reports_guard

    if dry_run:
        reports_guard.check(folder)
        return ()
    return reports_guard.install(folder.absolute(), writers)


def work_tree(folder: Path) -> "GitWorkTree":
    """Return what commits single files of the work tree in `folder`, or around it.

    Raises:
        InputError: There is none, or no branch is checked out.
    """
    from ringtide_engine.adapters.git_work_tree import GitWorkTree

    return GitWorkTree(folder)


def publisher(
    repository: "Repository", statement_keys: Path | None, tuf_keys: Path | None, hint: str | None = None
) -> "Publisher":
    """Return what publishing needs, with custodies in folders.

    Args:
        repository: The fleet repository.
        statement_keys: Folder of the statement key; None where another job has it.
        tuf_keys: Folder of the online TUF keys; None where another job has them.
        hint: Address of a broker that tells devices; None where they only poll.

    Raises:
        InputError: A key is missing or open to others, or the broker's address is none.
    """
    from ringtide_engine.adapters.key_folders import FolderStatementSigner
    from ringtide_engine.adapters.tuf_custody import TufCustody
    from ringtide_engine.workflows.advance import replay
    from ringtide_engine.workflows.publish import Publisher

    notifier = None
    if hint is not None:
        from ringtide_engine.adapters.mqtt_notifier import MqttNotifier

        notifier = MqttNotifier(hint)

    def replay_now(fleet: "Repository", commit: str) -> None:
        replay(fleet, commit, now=clock().now())

    return Publisher(
        repository=repository,
        statement=None if statement_keys is None else FolderStatementSigner(statement_keys),
        tuf=None if tuf_keys is None else TufCustody(tuf_keys),
        policies=policies(),
        replay=replay_now,
        notifier=notifier,
    )


@contextmanager
def inbox(address: str, fleet: str, collector: str) -> "Iterator[Inbox]":
    """Give what reports arrive at over a broker, for as long as it is needed.

    Raises:
        InputError: The address is none, or its TLS files cannot be used.
    """
    from ringtide_engine.adapters.mqtt_inbox import MqttInbox

    opened = MqttInbox(address, fleet, collector)
    opened.start()
    try:
        yield opened
    finally:
        opened.stop()


def mirror(folder: Path) -> "Mirror":
    """Return a folder of static files that shows what is published."""
    from ringtide_engine.adapters.static_mirror import StaticMirror

    return StaticMirror(folder)


def policies() -> "PolicyEngine":
    """Return what evaluates the conditions of policy rules."""
    from ringtide_engine.adapters.policy_languages import PolicyLanguages

    def in_cel() -> "PolicyEngine":
        from ringtide_engine.adapters.cel_conditions import CelConditions

        return CelConditions()

    def in_rego() -> "PolicyEngine":
        from ringtide_engine.adapters.rego_conditions import RegoConditions

        return RegoConditions()

    return PolicyLanguages({"cel": in_cel, "rego": in_rego})


def clock() -> "Clock":
    """Return the system's clock."""
    from ringtide_engine.adapters.system_clock import SystemClock

    return SystemClock()


def store(address: str) -> "ArtifactStore":
    """Return the artifact store at `address`.

    Raises:
        InputError: The address is none of a store.
    """
    from ringtide_engine.adapters.artifact_stores import open_store

    return open_store(address, os.environ, clock().now)


def certificates(folder: Path, keys: Path, fleet: str) -> "DeviceCertificates":
    """Return the folder of static files that holds devices' certificates, issued by the key in `keys`.

    Raises:
        InputError: There is no such key, it is open to others, or the folder holds something else.
    """
    from ringtide_engine.adapters.certificate_folder import CertificateFolder
    from ringtide_engine.adapters.key_folders import certificate_key

    return CertificateFolder(folder, certificate_key(keys), fleet)


def model_files() -> "ModelFiles":
    """Return what reads ONNX files and golden sets."""
    from ringtide_engine.adapters.onnx_files import OnnxFiles

    return OnnxFiles()


def make_delta(base: bytes, content: bytes) -> bytes:
    """Return what makes `content` of `base`.

    Raises:
        InputError: The files are too large, or the base is too small.
    """
    from ringtide_engine.adapters.zstd_deltas import make_delta

    return make_delta(base, content)


def drift_reference(name: str, content: bytes, rows_name: str, rows: bytes, window: int | None) -> bytes:
    """Return the drift reference of a graph over rows in an `.npz` file.

    Raises:
        InputError: No ONNX file, no such rows, or the graph does not run them.
    """
    from ringtide_engine.adapters.drift_reference import make_reference, read_rows

    return make_reference(name, content, model_files().graph(name, content), read_rows(rows_name, rows), window)


def agent_archive(name: str, content: bytes) -> "ArchiveFacts":
    """Read an archive of the agent.

    Raises:
        InputError: It is none.
    """
    from ringtide_engine.adapters.agent_archives import read_archive

    return read_archive(name, content)


def check_sbom(content: bytes) -> None:
    """Hold a bill of materials against the schema of CycloneDX.

    Raises:
        InputError: It is not one.
    """
    from ringtide_engine.adapters.cyclonedx_check import check_cyclonedx

    check_cyclonedx(content)


def trust_reader() -> "TrustReader":
    """Return the TUF client over published files."""
    from ringtide_engine.adapters.tuf_reader import TufReader

    return TufReader()


def second_opinion() -> "SecondOpinion":
    """Return sigstore's reading of bundles."""
    from ringtide_engine.adapters.sigstore_second_opinion import SigstoreSecondOpinion

    return SigstoreSecondOpinion()


def custodies() -> Mapping[str, tuple[str, ...]]:
    """Return custody to the names of its keys."""
    from ringtide_engine.adapters.key_folders import CUSTODIES

    return CUSTODIES


def make_keys(custody: str, folder: Path) -> tuple[Path, ...]:
    """Make the keys of a custody in `folder` and return the public files; nothing is ever overwritten.

    Raises:
        InputError: A key of that name is there already, or the folder cannot be written.
    """
    from ringtide_engine.adapters import key_folders

    return key_folders.make_keys(custody, folder)


def public_keys(folder: Path) -> "Mapping[str, PublicKey]":
    """Return name to public key of every `.pub` file in `folder`.

    Raises:
        InputError: There is none, or one is not a public key.
    """
    from ringtide_engine.adapters import key_folders

    return key_folders.public_keys(folder)


def private_keys(folder: Path) -> "Mapping[str, PrivateKey]":
    """Return name to private key of every `.pem` file in `folder`.

    Raises:
        InputError: One is not a private key, or others than its owner may read it.
    """
    from ringtide_engine.adapters import key_folders

    return key_folders.private_keys(folder)


def github(base: str, repository: str, token: str, app: str | None = None) -> "Forge":
    """Return one repository on GitHub.

    Args:
        base: Address of the API.
        repository: `owner/name`.
        token: Bearer token.
        app: Slug of the app whose records of plans count; that of GitHub Actions where None.

    Raises:
        InputError: An address over which the token would travel in the clear, or no repository or token.
    """
    from ringtide_engine.adapters.github_api import APP_SLUG, GitHubApi

    return GitHubApi(base, repository, token, app=app or APP_SLUG)
