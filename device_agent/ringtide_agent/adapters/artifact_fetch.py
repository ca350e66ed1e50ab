"""Artifacts into the store: by a delta or whole, from several sources, resumed across restarts, checked while they stream."""

import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ringtide_agent.adapters import patch_process
from ringtide_agent.adapters.artifact_stream import ArtifactStore, BrokenOffError, Stream, WrongBytesError
from ringtide_agent.adapters.part_file import DISK_FULL, PartFile, Pieces, opened
from ringtide_agent.adapters.patch_process import PatchError
from ringtide_agent.adapters.throttle import Throttle, unlimited
from ringtide_agent.adapters.web import SILENCE_S, Tls, Web
from ringtide_contract.artifact import CHUNK_BYTES, Artifact, Delta, chunk_list_bytes
from ringtide_contract.errors import RingtideError, TransientError, TrustError
from ringtide_contract.ids import Digest

WINDOW_S = 60.0
"""Waiting time over which a source must keep up the least rate; its answer must begin within it, too."""

LEAST_RATE_BYTES_S = 4096
"""A slower source is given up; what it sent is kept, so that a slow line still gets there in the end."""

DISK_RESERVE_BYTES = 32 * 1024 * 1024
"""Free space that an artifact may not take: journals, reports and a switch must always fit."""

BROKEN_DELTAS = 3
"""A delta that broke off on its way is awaited so often; a source that gives it by the byte shall not keep the whole away."""

_log = logging.getLogger("ringtide.agent")


class BlobShelf(Protocol):
    """Where artifacts end up."""

    def blob_path(self, digest: Digest) -> str | None:
        """Return the path of a whole blob, or None."""

    def blob_partial_path(self, digest: Digest) -> Path:
        """Return where the part that is here lies; it survives restarts."""

    def admit_blob(self, digest: Digest, partial: Path) -> None:
        """Make a finished part a blob."""


class ArtifactFetcher:
    """Fetches artifacts from stores of several kinds, in the caller's thread."""

    def __init__(
        self,
        store: BlobShelf,
        *,
        sources: Mapping[str, ArtifactStore],
        tls: Tls | None = None,
        least_rate_bytes_s: int = LEAST_RATE_BYTES_S,
        throttle: Throttle | None = None,
        window_s: float = WINDOW_S,
        reserve_bytes: int = DISK_RESERVE_BYTES,
    ) -> None:
        """Keep the store and the rules.

        Args:
            store: Takes the artifacts.
            sources: Scheme of an address to what opens it; addresses of other schemes are passed over.
            tls: Files for `https`.
            least_rate_bytes_s: A slower source is given up.
            throttle: Holds all downloads together to a rate; None for no limit.
            window_s: Waiting time over which the least rate must be kept.
            reserve_bytes: Free disk space that stays.
        """
        self._store, self._sources, self._tls = store, dict(sources), tls or Tls()
        self._rate, self._window_s, self._reserve = least_rate_bytes_s, window_s, reserve_bytes
        self._throttle = throttle or unlimited()
        self._useless: set[Digest] = set()
        self._broken: Counter[Digest] = Counter()

    def web(self) -> Web:
        """Return connections for one fetch."""
        return Web(self._tls, silence_s=min(SILENCE_S, self._window_s))

    def fetch(
        self,
        artifact: Artifact,
        memory_bytes: int,
        *,
        web: Web | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring an artifact into the store, resuming what is there: by a delta where one is smaller, else whole.

        Args:
            artifact: What it is, and where it may be had, the best first.
            memory_bytes: What applying a delta may take.
            web: Connections that the caller can cut.
            beat: Hears of every part that comes; what it raises ends the fetch.

        Raises:
            TrustError: Every source gave other bytes than the digest names.
            TransientError: No source answered, or the disk is full.
        """
        if self._store.blob_path(artifact.sha256) is not None:
            return
        line, short = _Line(web=web or self.web(), beat=beat), artifact.sha256[:12]
        try:
            part = self._store.blob_partial_path(artifact.sha256)
            if self._by_delta(artifact, memory_bytes, part, line):
                return
            self._gather(artifact.uris, part, self._pieces(artifact, part, line), short, line)
            self._store.admit_blob(artifact.sha256, part)
        except OSError as error:
            raise TransientError(f"artifact {short}: {error}") from error

    def _by_delta(self, artifact: Artifact, memory_bytes: int, part: Path, line: "_Line") -> bool:
        """Tell whether the artifact could be made of what the device has; nothing that goes wrong here is an end.

        Raises:
            TransientError: The delta is on its way, and broke off.
        """
        delta = artifact.delta_from(_Here(self._store))
        if delta is None or delta.sha256 in self._useless:
            return False
        given, made, base = part.with_suffix(".delta"), part.with_suffix(".patched"), self._store.blob_path(delta.base)
        if base is None or artifact.size_bytes - _size(part) <= delta.size_bytes - _size(given):
            return False
        needed, came = patch_process.memory_bytes(_size(Path(base)), artifact.size_bytes), _size(given)
        if needed > memory_bytes:
            return self._pass_over(
                delta, part, f"it takes {needed >> 20} MiB of memory, {memory_bytes >> 20} are allowed"
            )
        try:
            self._gather(delta.uris, given, Pieces.one(delta.sha256, delta.size_bytes), delta.sha256[:12], line)
            self._check_room(part, artifact.size_bytes)
            patch_process.patch(Path(base), given, made, artifact.size_bytes, line.beat)
            self._store.admit_blob(artifact.sha256, made)
        except TransientError as error:
            if _size(given) > came and self._broken[delta.sha256] < BROKEN_DELTAS:
                self._broken[delta.sha256] += 1
                raise
            _log.warning("artifact %s: the delta does not come, the whole is fetched: %s", part.stem[:12], error)
            return False
        except (TrustError, PatchError, OSError) as error:
            return self._pass_over(delta, part, str(error))
        _log.info("artifact %s: made of %d bytes, not %d", part.stem[:12], delta.size_bytes, artifact.size_bytes)
        return True

    def _pass_over(self, delta: Delta, part: Path, why: str) -> bool:
        """Never try a delta again in the life of this process."""
        self._useless.add(delta.sha256)
        for kind in (".delta", ".patched"):
            part.with_suffix(kind).unlink(missing_ok=True)
        _log.warning("artifact %s: the delta is of no use, the whole is fetched: %s", part.stem[:12], why)
        return False

    def _pieces(self, artifact: Artifact, part: Path, line: "_Line") -> Pieces:
        """Return what the artifact is checked by: its chunk list, or where that cannot be had the digest of the whole."""
        if artifact.chunks is not None and artifact.size_bytes > CHUNK_BYTES:
            path, digest = part.with_suffix(".chunks"), artifact.chunks.sha256
            one = Pieces.one(digest, chunk_list_bytes(artifact.size_bytes))
            try:
                self._gather(artifact.chunks.uris, path, one, digest[:12], line)
                return Pieces.listed(path.read_bytes(), artifact.size_bytes)
            except RingtideError as error:
                _log.warning("artifact %s: checked as a whole, without its chunk list: %s", part.stem[:12], error)
        return Pieces.one(artifact.sha256, artifact.size_bytes)

    def _gather(self, uris: Sequence[str], path: Path, pieces: Pieces, name: str, line: "_Line") -> None:
        """Complete a file, trying `uris` in order; a source that gives wrong bytes is left, and what was right stays.

        Raises:
            TrustError: Every source gave wrong bytes.
            TransientError: No source answered, or the disk is full.
        """
        lies: list[str] = []
        failures: list[str] = []
        try:
            with opened(path) as file:
                part = PartFile(file, pieces)
                for uri in uris if part.gap() is not None else ():
                    place = _without_query(uri)
                    try:
                        self._from_source(uri, path, part, pieces.size_bytes, line)
                        break
                    except WrongBytesError as error:
                        lies.append(f"{place}: {error}")
                    except BrokenOffError as error:
                        failures.append(f"{place}: {error}")
                file.flush()
                os.fsync(file.fileno())
                if part.gap() is None:
                    return
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            path.unlink(missing_ok=True)  # a part that cannot grow only keeps the disk full
            raise TransientError(f"disk full: no room for {pieces.size_bytes} bytes of {name}") from error
        if lies and not failures:
            raise TrustError("ARTIFACT-DIGEST", f"no source has artifact {name}: {'; '.join(lies)}")
        raise TransientError(f"artifact {name} did not come: {'; '.join(failures + lies) or 'it has no source'}")

    def _from_source(self, uri: str, path: Path, part: PartFile, size: int, line: "_Line") -> None:
        """Bring all that is missing from one source."""
        while (gap := part.gap()) is not None:
            try:
                self._stream(uri, path, part, gap, size, line)
            except WrongBytesError:
                is_mixed = part.is_mixed
                part.start_over()
                if not is_mixed:
                    raise
                # The bad bytes may have come from another source, earlier: this one gets a clean start of the piece.

    def _stream(self, uri: str, path: Path, part: PartFile, gap: tuple[int, int], size: int, line: "_Line") -> None:
        """Bring one gap."""
        begin, stop = gap
        self._check_room(path, part.wanting_bytes())
        with self._open(uri, begin, line.web) as stream:
            if stream.total not in (None, size):
                raise WrongBytesError(f"{stream.total} bytes where {size} are due")
            if begin == stop:
                raise WrongBytesError("other bytes than the digest names")
            part.reserve()
            known = begin - stream.start  # sent again, by a source that cannot begin where it is asked to
            for chunk in self._keeping_up(stream.chunks):
                part.write(chunk[known:])
                known = max(0, known - len(chunk))
                line.beat()
                self._throttle.take(len(chunk))
                if part.at >= stop:
                    return
        raise BrokenOffError(f"ends after {part.at} of {size} bytes")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What one fetch has in hand."""

    web: Web
    beat: Callable[[], None]


class _Here:
    """The files that the device has."""

    def __init__(self, store: BlobShelf) -> None:
        self._store = store

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._store.blob_path(Digest(digest)) is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _without_query(uri: str) -> str:
    """Return the address as it may be shown: signed addresses carry secrets after the question mark."""
    return urlsplit(uri)._replace(query="", fragment="").geturl()[:120]
