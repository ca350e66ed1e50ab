"""Artifacts into the store: several sources, resumed across restarts, hashed while they stream."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest

CHUNK_BYTES = 256 * 1024
"""Read, hashed and written at once."""

CONNECT_S = 10.0
"""For a connection."""

SILENCE_S = 30.0
"""Longest wait for the next bytes."""

GRACE_S = 60.0
"""Added to the deadline that the size gives, for connections and redirections."""

LEAST_RATE_BYTES_S = 4096
"""A slower source is given up; what it sent is kept, so that a slow line still gets there in the end."""

DISK_RESERVE_BYTES = 32 * 1024 * 1024
"""Free space that an artifact may not take: journals, reports and a switch must always fit."""

MAX_REDIRECTS = 3
"""Addresses followed from one source."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class BlobShelf(Protocol):
    """Where artifacts end up."""

    def blob_path(self, digest: Digest) -> str | None:
        """Return the path of a whole blob, or None."""

    def blob_partial_path(self, digest: Digest) -> Path:
        """Return where the part that is here lies; it survives restarts."""

    def admit_blob(self, digest: Digest, partial: Path) -> None:
        """Make a finished part a blob."""


class _WrongBytesError(Exception):
    """The source gave something else than the digest names."""


class _BrokenOffError(Exception):
    """The source did not answer, or not to the end; what came is kept."""


class ArtifactFetcher:
    """Fetches artifacts from `file://`, `http://` and `https://` addresses."""

    def __init__(
        self,
        store: BlobShelf,
        *,
        schemes: Sequence[str],
        tls_authority: str | None = None,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
        least_rate_bytes_s: int = LEAST_RATE_BYTES_S,
        grace_s: float = GRACE_S,
        reserve_bytes: int = DISK_RESERVE_BYTES,
    ) -> None:
        """Keep the store and the rules.

        Args:
            store: Takes the artifacts.
            schemes: Schemes of the addresses that may be used; others are passed over.
            tls_authority: File of authorities for `https`; None for the system's.
            tls_certificate: File of the client certificate for `https`.
            tls_key: File of its private key.
            least_rate_bytes_s: A slower source is given up.
            grace_s: Added to the deadline that size and rate give.
            reserve_bytes: Free disk space that stays.
        """
        self._store, self._schemes = store, tuple(schemes)
        self._rate, self._grace_s, self._reserve = least_rate_bytes_s, grace_s, reserve_bytes
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=1,
            ca_certs=tls_authority,
            cert_file=tls_certificate,
            key_file=tls_key,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=min(SILENCE_S, grace_s)),
        )

    def fetch(self, digest: Digest, size_bytes: int, uris: Sequence[str]) -> None:
        """Bring a blob into the store, trying `uris` in order, resuming what is there.

        Raises:
            TrustError: Every source gave other bytes than the digest names.
            TransientError: No source answered, or the disk is full.
        """
        if self._store.blob_path(digest) is not None:
            return
        part = self._store.blob_partial_path(digest)
        lies: list[str] = []
        failures: list[str] = []
        for uri in uris:
            place = _without_query(uri)
            try:
                self._from_source(uri, part, digest, size_bytes)
                self._store.admit_blob(digest, part)
            except _WrongBytesError as error:
                lies.append(f"{place}: {error}")
            except _BrokenOffError as error:
                failures.append(f"{place}: {error}")
            except OSError as error:
                if error.errno in _FULL:
                    part.unlink(missing_ok=True)  # a part that cannot grow only keeps the disk full
                    raise TransientError(f"disk full: no room for {size_bytes} bytes of {digest[:12]}") from error
                raise TransientError(f"artifact {digest[:12]}: {error}") from error
            else:
                return
        if lies and not failures:
            raise TrustError("ARTIFACT-DIGEST", f"no source has artifact {digest[:12]}: {'; '.join(lies)}")
        raise TransientError(f"artifact {digest[:12]} did not come: {'; '.join(failures + lies) or 'it has no source'}")

    def _from_source(self, uri: str, part: Path, digest: Digest, size: int) -> None:
        """Complete the part from one source, and check the whole."""
        part.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.exists() and part.stat().st_size > 0
        try:
            self._complete(uri, part, digest, size)
        except _WrongBytesError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            # The bad bytes may have come from another source, earlier: this one gets a clean start.
            try:
                self._complete(uri, part, digest, size)
            except _WrongBytesError:
                part.unlink(missing_ok=True)
                raise

    def _complete(self, uri: str, part: Path, digest: Digest, size: int) -> None:
        deadline = time.monotonic() + self._grace_s + size / self._rate
        hasher = hashlib.sha256()
        with part.open("ab+") as file:
            have = _hash_part(file, hasher)
            if have < size:
                self._check_room(part, size - have)
                with self._open(uri, have, size, deadline) as (start, chunks):
                    if start != have:
                        file.truncate(start)
                        hasher, have = hashlib.sha256(), start
                    for chunk in chunks:
                        have += len(chunk)
                        if have > size:
                            raise _WrongBytesError(f"more than the {size} bytes it should have")
                        hasher.update(chunk)
                        file.write(chunk)
                        if time.monotonic() > deadline:
                            raise _BrokenOffError(f"slower than {self._rate} bytes a second")
            file.flush()
            os.fsync(file.fileno())
        if have != size:
            raise _WrongBytesError(f"{have} bytes where {size} are due")
        if hasher.hexdigest() != digest:
            raise _WrongBytesError("other bytes than the digest names")

    def _check_room(self, part: Path, needed: int) -> None:
        disk = os.statvfs(part.parent)
        if disk.f_bavail * disk.f_frsize < needed + self._reserve:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def _open(self, uri: str, start: int, size: int, deadline: float) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a source; yields where its bytes begin, and the bytes."""
        scheme = urlsplit(uri).scheme
        if scheme not in self._schemes:
            raise _BrokenOffError(f"{scheme or 'no'} addresses are not among {', '.join(self._schemes)}")
        if scheme == "file":
            with _open_file(uri, size) as file:
                file.seek(start)
                yield start, iter(lambda: file.read(CHUNK_BYTES), b"")
            return
        try:
            with closing(self._request(uri, start, deadline)) as response:
                begin = _first_byte(response, start, size)
                # read1: what has come, at once, so that the deadline is looked at on a slow line too.
                yield begin, iter(lambda: response.read1(CHUNK_BYTES), b"")
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenOffError(f"{type(error).__name__}: {error}"[:200]) from error

    def _request(self, uri: str, start: int, deadline: float) -> urllib3.BaseHTTPResponse:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        for _ in range(MAX_REDIRECTS + 1):
            response = self._pool.request("GET", uri, headers=headers, preload_content=False, redirect=False)
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            uri = urljoin(uri, location)
            if urlsplit(uri).scheme not in self._schemes or urlsplit(uri).scheme == "file":
                raise _BrokenOffError("redirects to an address that may not be used")
            if time.monotonic() > deadline:
                break
        raise _BrokenOffError(f"more than {MAX_REDIRECTS} redirections")


def _first_byte(response: urllib3.BaseHTTPResponse, start: int, size: int) -> int:
    if response.status == 206:
        first, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(start):
            raise _BrokenOffError("answers another range than was asked for")
        if total not in ("*", str(size)):
            raise _WrongBytesError(f"{total} bytes where {size} are due")
        return start
    if response.status == 416:
        raise _WrongBytesError(f"ends before byte {start}")
    if response.status != 200:
        raise _BrokenOffError(f"HTTP {response.status}")
    length = response.headers.get("Content-Length")
    if length is not None and length != str(size):
        raise _WrongBytesError(f"{length[:20]} bytes where {size} are due")
    return 0


@contextmanager
def _open_file(uri: str, size: int) -> Iterator[BinaryIO]:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise _BrokenOffError("a file address on another machine")
    path = Path(unquote(parts.path))
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _BrokenOffError("not a plain file")
        file = path.open("rb")
    except OSError as error:
        raise _BrokenOffError(error.strerror or str(error)) from error
    if found.st_size != size:
        file.close()
        raise _WrongBytesError(f"{found.st_size} bytes where {size} are due")
    with file:
        yield file


def _hash_part(file: BinaryIO, hasher: "hashlib._Hash") -> int:
    file.seek(0)
    have = 0
    while chunk := file.read(CHUNK_BYTES):
        hasher.update(chunk)
        have += len(chunk)
    return have


def _without_query(uri: str) -> str:
    """Return the address as it may be shown: signed addresses carry secrets after the question mark."""
    return urlsplit(uri)._replace(query="", fragment="").geturl()[:120]
