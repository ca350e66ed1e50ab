"""Artifacts into the store: several sources, resumed across restarts, hashed while they stream."""

import ctypes
import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from ringtide_agent.adapters.artifact_stream import ArtifactStore, BrokenOffError, Stream, WrongBytesError
from ringtide_agent.adapters.web import SILENCE_S, Tls, Web
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest

CHUNK_BYTES = 256 * 1024
"""Read, hashed and written at once."""

WINDOW_S = 60.0
"""Waiting time over which a source must keep up the least rate; its answer must begin within it, too."""

LEAST_RATE_BYTES_S = 4096
"""A slower source is given up; what it sent is kept, so that a slow line still gets there in the end."""

DISK_RESERVE_BYTES = 32 * 1024 * 1024
"""Free space that an artifact may not take: journals, reports and a switch must always fit."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE."""


class BlobShelf(Protocol):
    """Where artifacts end up."""

    def blob_path(self, digest: Digest) -> str | None:
        """Return the path of a whole blob, or None."""

    def blob_partial_path(self, digest: Digest) -> Path:
        """Return where the part that is here lies; it survives restarts."""

    def admit_blob(self, digest: Digest, partial: Path) -> None:
        """Make a finished part a blob."""


class Throttle:
    """Spreads the bytes of all downloads over time."""

    def __init__(self, most_rate_bytes_s: int | None) -> None:
        """Keep the rate; None for no limit."""
        self._rate = most_rate_bytes_s
        self._lock, self._free_at_s = threading.Lock(), 0.0
        self.chunk_bytes = (
            CHUNK_BYTES if most_rate_bytes_s is None else min(CHUNK_BYTES, max(1, most_rate_bytes_s // 4))
        )

    def take(self, count: int) -> None:
        """Wait until so many bytes may have come."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at_s = max(now, self._free_at_s) + count / self._rate
            pause = self._free_at_s - now
        time.sleep(pause)


class ArtifactFetcher:
    """Fetches artifacts from stores of several kinds, in the caller's thread."""

    def __init__(
        self,
        store: BlobShelf,
        *,
        sources: Mapping[str, ArtifactStore],
        tls: Tls | None = None,
        least_rate_bytes_s: int = LEAST_RATE_BYTES_S,
        most_rate_bytes_s: int | None = None,
        window_s: float = WINDOW_S,
        reserve_bytes: int = DISK_RESERVE_BYTES,
    ) -> None:
        """Keep the store and the rules.

        Args:
            store: Takes the artifacts.
            sources: Scheme of an address to what opens it; addresses of other schemes are passed over.
            tls: Files for `https`.
            least_rate_bytes_s: A slower source is given up.
            most_rate_bytes_s: All downloads together take no more; None for no limit.
            window_s: Waiting time over which the least rate must be kept.
            reserve_bytes: Free disk space that stays.
        """
        self._store, self._sources, self._tls = store, dict(sources), tls or Tls()
        self._rate, self._window_s, self._reserve = least_rate_bytes_s, window_s, reserve_bytes
        self._throttle = Throttle(most_rate_bytes_s)

    def web(self) -> Web:
        """Return connections for one fetch."""
        return Web(self._tls, silence_s=min(SILENCE_S, self._window_s))

    def fetch(
        self,
        digest: Digest,
        size_bytes: int,
        uris: Sequence[str],
        *,
        web: Web | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring a blob into the store, trying `uris` in order, resuming what is there.

        Args:
            digest: The blob's.
            size_bytes: Its size.
            uris: Where it may be had, the best first.
            web: Connections that the caller can cut.
            beat: Hears of every part that comes; what it raises ends the fetch.

        Raises:
            TrustError: Every source gave other bytes than the digest names.
            TransientError: No source answered, or the disk is full.
        """
        if self._store.blob_path(digest) is not None:
            return
        try:
            part = self._store.blob_partial_path(digest)
        except OSError as error:
            raise TransientError(f"artifact {digest[:12]}: {error}") from error
        lies: list[str] = []
        failures: list[str] = []
        connections = web or self.web()
        for uri in uris:
            place = _without_query(uri)
            try:
                self._from_source(uri, part, digest, size_bytes, connections, beat)
                self._store.admit_blob(digest, part)
            except WrongBytesError as error:
                lies.append(f"{place}: {error}")
            except BrokenOffError as error:
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

    def _from_source(self, uri: str, part: Path, digest: Digest, size: int, web: Web, beat: Callable[[], None]) -> None:
        """Complete the part from one source, and check the whole."""
        part.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.exists() and part.stat().st_size > 0
        try:
            self._complete(uri, part, digest, size, web, beat)
        except WrongBytesError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            # The bad bytes may have come from another source, earlier: this one gets a clean start.
            try:
                self._complete(uri, part, digest, size, web, beat)
            except WrongBytesError:
                part.unlink(missing_ok=True)
                raise

    def _complete(self, uri: str, part: Path, digest: Digest, size: int, web: Web, beat: Callable[[], None]) -> None:
        hasher = hashlib.sha256()
        with part.open("ab+") as file:
            have = _hash_part(file, hasher)
            if have < size:
                self._check_room(part, size - have)
                with self._open(uri, have, web) as stream:
                    if stream.total not in (None, size):
                        raise WrongBytesError(f"{stream.total} bytes where {size} are due")
                    if stream.start != have:
                        file.truncate(stream.start)
                        hasher, have = hashlib.sha256(), stream.start
                    _reserve(file, size)
                    for chunk in self._keeping_up(stream.chunks):
                        have += len(chunk)
                        if have > size:
                            raise WrongBytesError(f"more than the {size} bytes it should have")
                        hasher.update(chunk)
                        file.write(chunk)
                        beat()
                        self._throttle.take(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if have < size:
            raise BrokenOffError(f"ends after {have} of {size} bytes")
        if hasher.hexdigest() != digest:
            raise WrongBytesError("other bytes than the digest names")

    def _keeping_up(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass chunks on, as long as they come at the least rate; only time spent waiting for the source counts."""
        waited, came = 0.0, 0
        while True:
            begin = time.monotonic()
            chunk = next(chunks, b"")
            waited, came = waited + time.monotonic() - begin, came + len(chunk)
            if not chunk:
                return
            yield chunk
            if waited > self._window_s:
                if came < self._rate * self._window_s:
                    raise BrokenOffError(f"slower than {self._rate} bytes a second")
                waited, came = 0.0, 0

    def _check_room(self, part: Path, needed: int) -> None:
        disk = os.statvfs(part.parent)
        if disk.f_bavail * disk.f_frsize < needed + self._reserve:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self, uri: str, start: int, web: Web) -> AbstractContextManager[Stream]:
        scheme = urlsplit(uri).scheme
        if scheme not in self._sources:
            raise BrokenOffError(f"{scheme or 'no'} addresses are not among {', '.join(self._sources)}")
        return self._sources[scheme].open(uri, start, web, self._throttle.chunk_bytes)


def _reserve(file: BinaryIO, size: int) -> None:
    """Set disk space aside for the whole file without making it longer: its length says what is here.

    Raises:
        OSError: There is no room.
    """
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(file.fileno(), _KEEP_SIZE, 0, size) != 0 and ctypes.get_errno() in _FULL:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


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
