"""Artifacts into the store: several sources, resumed across restarts, hashed while they stream."""

import ctypes
import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from ringtide_agent.adapters.web import SILENCE_S, Tls, Web
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest

CHUNK_BYTES = 256 * 1024
"""Read, hashed and written at once."""

WINDOW_S = 60.0
"""Waiting time over which a source must keep up the least rate; its answer must begin within it, too."""

LEAST_RATE_BYTES_S = 4096
"""A slower source is given up; what it sent is kept, so that a slow line still gets there in the end."""

RETRY_AFTER_MOST_S = 3600
"""A source that asks to be left alone is, for an hour at most."""

DISK_RESERVE_BYTES = 32 * 1024 * 1024
"""Free space that an artifact may not take: journals, reports and a switch must always fit."""

MAX_REDIRECTS = 3
"""Addresses followed from one source."""

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


class _WrongBytesError(Exception):
    """The source gave something else than the digest names."""


class _BrokenOffError(Exception):
    """The source did not answer, or not to the end; what came is kept."""


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
    """Fetches artifacts from `file://`, `http://` and `https://` addresses, in the caller's thread."""

    def __init__(
        self,
        store: BlobShelf,
        *,
        schemes: Sequence[str],
        tls: Tls | None = None,
        least_rate_bytes_s: int = LEAST_RATE_BYTES_S,
        most_rate_bytes_s: int | None = None,
        window_s: float = WINDOW_S,
        reserve_bytes: int = DISK_RESERVE_BYTES,
    ) -> None:
        """Keep the store and the rules.

        Args:
            store: Takes the artifacts.
            schemes: Schemes of the addresses that may be used; others are passed over.
            tls: Files for `https`.
            least_rate_bytes_s: A slower source is given up.
            most_rate_bytes_s: All downloads together take no more; None for no limit.
            window_s: Waiting time over which the least rate must be kept.
            reserve_bytes: Free disk space that stays.
        """
        self._store, self._schemes, self._tls = store, tuple(schemes), tls or Tls()
        self._rate, self._window_s, self._reserve = least_rate_bytes_s, window_s, reserve_bytes
        self._throttle = Throttle(most_rate_bytes_s)
        self._closed_until_s: dict[str, float] = {}

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

    def _from_source(self, uri: str, part: Path, digest: Digest, size: int, web: Web, beat: Callable[[], None]) -> None:
        """Complete the part from one source, and check the whole."""
        part.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.exists() and part.stat().st_size > 0
        try:
            self._complete(uri, part, digest, size, web, beat)
        except _WrongBytesError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            # The bad bytes may have come from another source, earlier: this one gets a clean start.
            try:
                self._complete(uri, part, digest, size, web, beat)
            except _WrongBytesError:
                part.unlink(missing_ok=True)
                raise

    def _complete(self, uri: str, part: Path, digest: Digest, size: int, web: Web, beat: Callable[[], None]) -> None:
        hasher = hashlib.sha256()
        with part.open("ab+") as file:
            have = _hash_part(file, hasher)
            if have < size:
                self._check_room(part, size - have)
                with self._open(uri, have, size, web) as (start, chunks):
                    if start != have:
                        file.truncate(start)
                        hasher, have = hashlib.sha256(), start
                    _reserve(file, size)
                    for chunk in self._keeping_up(chunks):
                        have += len(chunk)
                        if have > size:
                            raise _WrongBytesError(f"more than the {size} bytes it should have")
                        hasher.update(chunk)
                        file.write(chunk)
                        beat()
                        self._throttle.take(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if have < size:
            raise _BrokenOffError(f"ends after {have} of {size} bytes")
        if hasher.hexdigest() != digest:
            raise _WrongBytesError("other bytes than the digest names")

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
                    raise _BrokenOffError(f"slower than {self._rate} bytes a second")
                waited, came = 0.0, 0

    def _check_room(self, part: Path, needed: int) -> None:
        disk = os.statvfs(part.parent)
        if disk.f_bavail * disk.f_frsize < needed + self._reserve:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def _open(self, uri: str, start: int, size: int, web: Web) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a source; yields where its bytes begin, and the bytes."""
        scheme = urlsplit(uri).scheme
        if scheme not in self._schemes:
            raise _BrokenOffError(f"{scheme or 'no'} addresses are not among {', '.join(self._schemes)}")
        amount = self._throttle.chunk_bytes
        if scheme == "file":
            with _open_file(uri, size) as file:
                file.seek(start)
                yield start, iter(lambda: file.read(amount), b"")
            return
        try:
            with ExitStack() as stack:
                response = self._request(stack, web, uri, start)
                begin = _first_byte(response, start, size)
                yield begin, iter(lambda: web.read(response, amount), b"")
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenOffError(web.why_cut or f"{type(error).__name__}: {error}"[:200]) from error

    def _request(self, stack: ExitStack, web: Web, uri: str, start: int) -> urllib3.BaseHTTPResponse:
        headers = {"Range": f"bytes={start}-"} if start else {}
        for _ in range(MAX_REDIRECTS + 1):
            host = urlsplit(uri).netloc
            wait_s = self._closed_until_s.get(host, 0.0) - time.monotonic()
            if wait_s > 0:
                raise _BrokenOffError(f"asks to be left alone for another {wait_s:.0f} s")
            response = stack.enter_context(web.get(uri, headers))
            location = response.get_redirect_location()
            if not location:
                if response.status in (429, 503):
                    self._closed_until_s[host] = time.monotonic() + _retry_after_s(response)
                return response
            uri = urljoin(uri, location)
            if urlsplit(uri).scheme not in self._schemes or urlsplit(uri).scheme == "file":
                raise _BrokenOffError("redirects to an address that may not be used")
        raise _BrokenOffError(f"more than {MAX_REDIRECTS} redirections")


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> int:
    """Return how long a source asks to be left alone; a date instead of seconds, which needs a right clock, counts as 0."""
    said = response.headers.get("Retry-After", "").strip()
    return min(int(said), RETRY_AFTER_MOST_S) if said.isascii() and said.isdigit() and len(said) < 10 else 0


def _reserve(file: BinaryIO, size: int) -> None:
    """Set disk space aside for the whole file without making it longer: its length says what is here.

    Raises:
        OSError: There is no room.
    """
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(file.fileno(), _KEEP_SIZE, 0, size) != 0 and ctypes.get_errno() in _FULL:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


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
