"""The TUF client over a snapshot: which trust policy and which statement are current."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from ringtide_agent.ports import Snapshot
from ringtide_contract.bundle import MAX_BUNDLE_BYTES
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.trust_policy import MAX_TRUST_POLICY_BYTES, STATEMENT_TARGET, TRUST_POLICY_TARGET, TrustPolicy

MAX_METADATA_BYTES = 64 * 1024
"""Largest metadata file: ringtide's are of constant size for any fleet, none above some kilobytes."""

MAX_ROOT_ROTATIONS = 64
"""Newer roots followed in one refresh; a yearly root outlives any device."""

_RULES: tuple[tuple[type[Exception], str], ...] = (
    (tuf.ExpiredMetadataError, "TUF-EXPIRED"),
    (tuf.UnsignedMetadataError, "TUF-SIGNATURE"),
    (tuf.BadVersionNumberError, "TUF-VERSION"),
    (tuf.LengthOrHashMismatchError, "TUF-CONTENT"),
    (tuf.RepositoryError, "TUF-METADATA"),
    (tuf.DownloadLengthMismatchError, "TUF-SIZE"),
    (tuf.DownloadHTTPError, "TUF-MISSING"),
)
"""Which failures of the TUF client refuse a publication; the first that fits names the rule."""


class TufTrust:
    """The TUF client: root chain, timestamp, snapshot, targets, release."""

    def __init__(self, folder: str) -> None:
        """Keep the folder.

        Args:
            folder: Holds `root.json`, the trusted root that the device was enrolled with, and what is learnt from it.
        """
        self._folder = Path(folder)

    def refresh(self, snapshot: Snapshot, now: datetime) -> tuple[TrustPolicy, bytes]:
        """Update the trusted metadata and return the trust policy and the statement's bundle.

        Raises:
            TrustError: Metadata that is not signed, older than seen before, or expired (rule `TUF-EXPIRED`).
            TransientError: The source broke off, or the disk failed.
        """
        try:
            updater = self._updater(snapshot, now)
            policy = self._target(updater, TRUST_POLICY_TARGET, MAX_TRUST_POLICY_BYTES)
            bundle = self._target(updater, STATEMENT_TARGET, MAX_BUNDLE_BYTES)
        except (tuf.RepositoryError, tuf.DownloadError) as error:
            raise _translated(error) from error
        except OSError as error:
            raise TransientError(f"the trust folder cannot be read or written: {error}") from error
        try:
            return TrustPolicy.decode(policy), bundle
        except InputError as error:
            raise TrustError("TUF-POLICY", f"the trust policy cannot be read: {error}") from error

    def _updater(self, snapshot: Snapshot, now: datetime) -> Updater:
        metadata, targets = self._folder / "metadata", self._folder / "targets"
        for folder in (metadata, targets):
            folder.mkdir(parents=True, exist_ok=True)
            for torn in folder.glob("tmp*"):  # left by a write that a power cut ended
                torn.unlink()
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url="metadata/",
            target_dir=str(targets),
            target_base_url="targets/",
            fetcher=_SnapshotFetcher(snapshot),
            config=UpdaterConfig(
                max_root_rotations=MAX_ROOT_ROTATIONS,
                max_delegations=2,
                root_max_length=MAX_METADATA_BYTES,
                snapshot_max_length=MAX_METADATA_BYTES,
                targets_max_length=MAX_METADATA_BYTES,
            ),
            bootstrap=self._root(),
        )
        # The library compares expiry with the system clock; the agent's `now` is never below its clock floor. The one
        # private name that we touch, because the library has no public one for it.
        updater._trusted_set.reference_time = now  # noqa: SLF001
        return updater

    def _root(self) -> bytes:
        """Return the root that the device was enrolled with; nothing here could replace it."""
        path = self._folder / "root.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise TrustError("TUF-ROOT", f"{path} is missing. fix: put the one of the enrolment there again") from error
        try:
            Metadata[Root].from_bytes(content)
        except DeserializationError as error:
            raise TrustError("TUF-ROOT", f"{path} is no root. fix: put the one of the enrolment there again") from error
        return content

    def _target(self, updater: Updater, name: str, limit: int) -> bytes:
        info = updater.get_targetinfo(name)
        if info is None:
            raise TrustError("TUF-MISSING", f"the signed metadata name no {name!r}")
        if info.length > limit:
            raise TrustError("TUF-SIZE", f"{name} is {info.length} bytes where at most {limit} are allowed")
        path = updater.find_cached_target(info) or updater.download_target(info)
        return Path(path).read_bytes()


class _SnapshotFetcher(FetcherInterface):
    """Lets the TUF client read from a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Keep the snapshot."""
        self._snapshot = snapshot

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter((self._snapshot.read(url, MAX_METADATA_BYTES),))
        except TrustError as error:
            # The client asks for roots until there is none: a file that is not there must look like HTTP's 404.
            raise tuf.DownloadHTTPError(f"{url}: {error}", 404) from error


def _translated(error: Exception) -> TrustError | TransientError:
    if isinstance(error.__cause__, TransientError):
        return error.__cause__
    for family, rule in _RULES:
        if isinstance(error, family):
            return TrustError(rule, str(error) or "the TUF client refused the metadata")
    return TransientError(f"the publication could not be read: {error}")
