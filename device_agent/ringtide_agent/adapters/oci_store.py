"""Artifacts in OCI registries: `oci://host/repository@sha256:…` addresses, with a login or a token where one is asked for."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringtide_agent.adapters.artifact_stream import BrokenOffError, Stream
from ringtide_agent.adapters.web import Web
from ringtide_agent.adapters.web_store import WebStore, range_headers, stream_of
from ringtide_contract.errors import InputError
from ringtide_contract.oci import Login, Repository, parse_blob, read_login, read_token, token_url

MAX_BYTES = 64 * 1024
"""Of a file with logins, and of an answer with a token."""

_AHEAD_S = 10
"""A token is asked for anew so long before it ends."""


class OciStore:
    """Every registry that the logins or nobody's rights open."""

    def __init__(self, logins: Path | None, store: WebStore) -> None:
        """Ask nobody yet.

        Args:
            logins: File as `docker login` writes it, read whenever a registry asks; None where none does.
            store: Makes the requests.
        """
        self._logins, self._store = logins, store
        self._lock = threading.Lock()
        self._kept: dict[Repository, tuple[str, float]] = {}

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:
        """Open a blob; see `ArtifactStore`. Where its bytes lie elsewhere, nothing of the login goes there."""
        try:
            repository, digest = parse_blob(uri)
        except InputError as error:
            raise BrokenOffError(str(error)) from error
        headers, said = range_headers(start), self._authorization(repository, web)
        if said is not None:
            headers["Authorization"] = said
        with self._store.answer(repository.blob_url(digest), headers, web) as response:
            if response.status in (401, 403):
                with self._lock:
                    self._kept.pop(repository, None)
                raise BrokenOffError(f"HTTP {response.status}: this device may not read {repository.name}")
            yield stream_of(response, start, web, amount)

    def _authorization(self, repository: Repository, web: Web) -> str | None:
        """Return what to send, None for nothing; kept as long as it holds."""
        with self._lock:
            kept, until_s = self._kept.get(repository, ("", 0.0))
        if time.monotonic() < until_s:
            return kept
        with self._store.answer(repository.door, {}, web, follow=False) as response:
            if response.status != 401:  # whoever may ask anything else is told at the blob
                return None
            challenge = response.headers.get("WWW-Authenticate", "")
        login = self._login(repository)
        try:
            url = token_url(challenge, repository, "pull")
            if url is None:
                return None if login is None else login.header
            token, seconds = read_token(self._asked(url, login, web))
        except InputError as error:
            raise BrokenOffError(f"{repository.host}: {error}") from error
        with self._lock:
            self._kept[repository] = f"Bearer {token}", time.monotonic() + seconds - _AHEAD_S
        return f"Bearer {token}"

    def _asked(self, url: str, login: Login | None, web: Web) -> bytes:
        content = bytearray()
        headers = {} if login is None else {"Authorization": login.header}
        with self._store.answer(url, headers, web, follow=False) as response:
            if response.status != 200:
                raise BrokenOffError(f"no token: HTTP {response.status}")
            while len(content) <= MAX_BYTES and (chunk := web.read(response, MAX_BYTES)):
                content += chunk
        return bytes(content[:MAX_BYTES])

    def _login(self, repository: Repository) -> Login | None:
        if self._logins is None:
            return None
        try:
            with self._logins.open("rb") as file:
                return read_login(file.read(MAX_BYTES), repository.host)
        except OSError as error:
            raise BrokenOffError(f"{self._logins}: {error.strerror}") from error
        except InputError as error:
            raise BrokenOffError(f"{self._logins}: {error}") from error
