"""Publications from static files on any web server, as `ringtide publish --mirror` writes them.

`latest` names the newest state; the files of a state never change, so what was read of it is not asked for again, and a
poll without news is one request that is answered with 304.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

import urllib3

from ringtide_agent.adapters.web import Tls, Web
from ringtide_agent.ports import Snapshot
from ringtide_contract.errors import InputError, TransientError, TrustError

PREFIX = "mirror+"
"""Before the scheme, since a Git repository may have an https address, too."""

DEADLINE_S = 300.0
"""For a poll and all that is read of it."""

MAX_NAME_BYTES = 65
"""A commit's name and the end of its line."""

MAX_TAG = 200
"""Characters of an ETag; one that is longer, or that no header can give back, is not remembered."""

KEPT_BYTES = 8 * 1024 * 1024
"""Files of the present state that are kept in memory; a device's own path is some hundred KiB at most."""

CHUNK_BYTES = 64 * 1024

_STATE = re.compile(rb"[0-9a-f]{40}([0-9a-f]{24})?\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorAccess:
    """How to reach one mirror."""

    url: str
    """`mirror+https://host/folder`, or `mirror+http://`: all that is read of a mirror is signed."""
    tls: Tls = field(default_factory=Tls)
    """Files for `https`."""

    def __post_init__(self) -> None:
        """Refuse what is not the address of a mirror."""
        parts = urlsplit(self.url.removeprefix(PREFIX))
        if not self.url.startswith(PREFIX) or parts.scheme not in ("https", "http") or not parts.hostname:
            raise InputError(f"{self.url!r} is not a mirror's address: write mirror+https://host/folder")
        if parts.password or parts.query or parts.fragment:
            raise InputError("a mirror's address has no password, question mark or number sign in it")


class WebMirror:
    """A mirror as a source of publications."""

    def __init__(self, access: MirrorAccess, *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the address.

        Args:
            access: How to reach the mirror.
            deadline_s: Seconds for a poll and all that is read of it.
        """
        self.url, self._base = access.url, access.url.removeprefix(PREFIX).rstrip("/")
        self._web, self._deadline_s, self._end_s = Web(access.tls), deadline_s, 0.0
        self._state, self._tag = "", ""
        self._contents: dict[str, bytes | None] = {}

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """Ask for the newest state.

        Raises:
            TransientError: Unreachable, too slow, or not a mirror.
        """
        self._end_s = time.monotonic() + self._deadline_s
        # A server that sends a byte a minute outlives every timeout of a socket.
        timer = threading.Timer(self._deadline_s, self._web.cut, [f"no answer within {self._deadline_s:g} s"])
        timer.daemon = True
        timer.start()
        try:
            self._look()
            yield _MirrorSnapshot(self._state, self)
        finally:
            timer.cancel()
            self._web.close()

    def forget(self) -> None:
        """What was shown last was refused: it may have been spoilt on its way."""
        self._state, self._tag, self._contents = "", "", {}

    def content(self, path: str, limit: int) -> bytes:
        """Return a file of the present state.

        Raises:
            TrustError: No such file, or larger than `limit`.
            TransientError: The mirror broke off.
        """
        if path not in self._contents:
            status, _, content = self._get(f"states/{self._state}/{path}", limit, {})
            if status not in (200, 404, 410):
                raise TransientError(f"{self.url}: HTTP {status} for {path}")
            found = content if status == 200 else None
            if found is not None and len(found) > limit:
                raise TrustError("TREE-FILE", f"{path} is larger than {limit} bytes")
            if sum(len(each or b"") for each in self._contents.values()) < KEPT_BYTES:
                self._contents[path] = found
        else:
            found = self._contents[path]
        if found is None or len(found) > limit:
            raise TrustError("TREE-FILE", f"{path} is missing or larger than {limit} bytes")
        return found

    def _look(self) -> None:
        asked = {"If-None-Match": self._tag} if self._tag else {}
        status, headers, content = self._get("latest", MAX_NAME_BYTES, asked)
        if status == 304 and self._state:
            return
        if status != 200 or not _STATE.fullmatch(content):
            raise TransientError(f"{self.url}: HTTP {status}, and no name of a publication in the file `latest`")
        state = content.decode("ascii").strip()
        if state != self._state:
            self._state, self._contents = state, {}
        tag = headers.get("ETag", "")
        self._tag = tag if tag.isascii() and tag.isprintable() and len(tag) <= MAX_TAG else ""

    def _get(self, path: str, limit: int, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and, of an answer 200, at most a chunk more than `limit` bytes."""
        if time.monotonic() > self._end_s:
            raise TransientError(f"{self.url}: not read within {self._deadline_s:g} s")
        try:
            with self._web.get(f"{self._base}/{quote(path)}", headers) as response:
                is_bounded = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
                if response.status != 304 and not is_bounded:  # an answer that was cut off looks like that, too
                    raise TransientError(f"{self.url}: HTTP {response.status} without a length for {path}")
                content = bytearray()
                while response.status == 200 and len(content) <= limit:
                    if not (chunk := self._web.read(response, CHUNK_BYTES)):
                        break
                    content += chunk
                return response.status, response.headers, bytes(content)
        except urllib3.exceptions.HTTPError as error:
            why = self._web.why_cut or f"{type(error).__name__}: {error}"
            raise TransientError(f"{self.url}: {why[:200]}") from error


class _MirrorSnapshot:
    def __init__(self, state: str, mirror: WebMirror) -> None:
        self.commit, self._mirror = state, mirror

    def read(self, path: str, limit: int) -> bytes:
        if not path or path.startswith("/") or ".." in PurePosixPath(path).parts or not path.isprintable():
            raise TrustError("TREE-PATH", f"{path[:80]!r} is not a path in a publication")
        return self._mirror.content(path, limit)
