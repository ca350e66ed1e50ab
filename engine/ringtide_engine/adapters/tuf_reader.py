"""The unmodified TUF client over published files."""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from ringtide_contract.bundle import MAX_BUNDLE_BYTES
from ringtide_contract.errors import TrustError
from ringtide_contract.trust_policy import MAX_TRUST_POLICY_BYTES, STATEMENT_TARGET, TRUST_POLICY_TARGET

MAX_METADATA_BYTES = 64 * 1024
"""Metadata are of constant size for any fleet, none above some kilobytes."""


class TufReader:
    """Implements `ports.TrustReader` with `tuf.ngclient`; it remembers nothing from call to call."""

    def current(self, published: Mapping[str, bytes], root: bytes, now: datetime) -> tuple[bytes, bytes]:
        """Return the trust policy and the statement's bundle that are current."""
        if not _is_published(published, root):
            raise TrustError("TUF-ROOT", "the trusted root is not the one of its number in metadata/")
        with tempfile.TemporaryDirectory(prefix="ringtide-verify-") as folder:
            try:
                updater = Updater(
                    metadata_dir=folder,
                    metadata_base_url="metadata/",
                    target_dir=folder,
                    target_base_url="targets/",
                    fetcher=_FilesFetcher(published),
                    config=UpdaterConfig(
                        max_delegations=2,
                        root_max_length=MAX_METADATA_BYTES,
                        snapshot_max_length=MAX_METADATA_BYTES,
                        targets_max_length=MAX_METADATA_BYTES,
                    ),
                    bootstrap=root,
                )
                # The library asks the system clock; `now` is an argument here. It has no public name for it.
                updater._trusted_set.reference_time = now  # noqa: SLF001
                policy = _target(updater, TRUST_POLICY_TARGET, MAX_TRUST_POLICY_BYTES)
                bundle = _target(updater, STATEMENT_TARGET, MAX_BUNDLE_BYTES)
            except tuf.ExpiredMetadataError as error:
                raise TrustError("TUF-EXPIRED", str(error)) from error
            except (tuf.RepositoryError, tuf.DownloadError, ValueError) as error:
                raise TrustError("TUF-REFUSED", f"the TUF client refuses the publication: {error}") from error
        return policy, bundle


def _is_published(published: Mapping[str, bytes], root: bytes) -> bool:
    """Tell whether the trusted root lies among the published ones: the client only asks for newer ones."""
    try:
        version = Metadata[Root].from_bytes(root).signed.version
    except DeserializationError as error:
        raise TrustError("TUF-ROOT", "the trusted root is not TUF metadata") from error
    return published.get(f"metadata/{version}.root.json") == root


class _FilesFetcher(FetcherInterface):
    """Lets the TUF client read from files at hand."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Keep the files."""
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url not in self._files:
            raise tuf.DownloadHTTPError(f"{url} is not there", 404)
        return iter((self._files[url],))


def _target(updater: Updater, name: str, limit: int) -> bytes:
    info = updater.get_targetinfo(name)
    if info is None:
        raise TrustError("TUF-MISSING", f"the signed metadata name no {name!r}")
    if info.length > limit:
        raise TrustError("TUF-SIZE", f"{name} is {info.length} bytes where at most {limit} are allowed")
    return Path(updater.download_target(info)).read_bytes()
