"""Artifact stores by their address; folders and web servers hold files at `<address>/<sha256>`."""

import hashlib
import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.adapters.bounded_requests import DOWNLOAD_LIMIT_S, HTTP_LIMIT_S, checked
from ringtide_engine.ports import ArtifactStore

_CHUNK = 1 << 20


def open_store(address: str, environment: Mapping[str, str], now: Callable[[], datetime]) -> ArtifactStore:
    """Return the store at `address`.

    Args:
        address: Where it is.
        environment: May hold what a store asks for.
        now: Returns the present, which signed requests name.

    Raises:
        InputError: The address is none of a store.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{address!r} is not an artifact store: {error}") from error
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme in ("http", "https") and host:
        return WebStore(address.rstrip("/"))
    if parts.scheme == "s3" and host:
        from ringtide_engine.adapters.s3_store import S3Store  # here: most fleets have none

        return S3Store(address, environment, now)
    if parts.scheme == "oci" and host:
        from ringtide_engine.adapters.oci_store import OciStore

        return OciStore(address, environment)
    known = "file:///folder, https://, http://, s3://bucket or oci://registry/repository"
    raise InputError(f"{address!r} is not an artifact store: {known}")


class FolderStore:
    """A folder; read and written."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; it is made at the first write."""
        self._folder = folder

    def has(self, digest: Digest) -> bool:
        """Tell whether the store has the artifact, whole and unchanged."""
        try:
            with (self._folder / digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TransientError(f"the store {self._folder} does not give {digest}: {error.strerror}") from error

    def put(self, content: bytes) -> str:
        """Store content and return its URI; storing it twice changes nothing, storing it over a damaged file mends it."""
        digest = sha256(content)
        path = self._folder.absolute() / digest
        if not self.has(digest):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, content)
            except OSError as error:
                raise TransientError(f"cannot write {path}: {error.strerror}") from error
        return path.as_uri()

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes."""
        try:
            with (self._folder / digest).open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise TransientError(f"the store {self._folder} does not give {digest}: {error.strerror}") from error
        return checked(content, digest, limit)


class WebStore:
    """A web server; read only."""

    def __init__(self, address: str) -> None:
        """Keep the address."""
        self._address = address

    def has(self, digest: Digest) -> bool:
        """Tell whether the server has the artifact."""
        request = urllib.request.Request(f"{self._address}/{digest}", method="HEAD")  # noqa: S310 - http(s), see open_store
        try:
            with urllib.request.urlopen(request, timeout=HTTP_LIMIT_S):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return False
            raise TransientError(f"the store {self._address} answered {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"the store {self._address} does not answer: {error}") from error

    def put(self, content: bytes) -> str:
        """Return the URI of content that the server has; a web server is filled by its owner.

        Raises:
            InputError: It does not have it.
        """
        digest = sha256(content)
        if not self.has(digest):
            raise InputError(f"{self._address} is read only and lacks {digest}; its owner must upload that file first")
        return f"{self._address}/{digest}"

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes."""
        try:
            with urllib.request.urlopen(f"{self._address}/{digest}", timeout=HTTP_LIMIT_S) as answer:  # noqa: S310
                content = _read(answer, limit + 1, time.monotonic() + DOWNLOAD_LIMIT_S)
                announced = answer.headers.get("Content-Length", "")
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"the store {self._address} does not give {digest}: {error}") from error
        if len(content) <= limit and announced.isascii() and announced.isdigit() and len(content) < int(announced):
            raise TransientError(f"the store {self._address} broke off {digest} after {len(content)} bytes")
        return checked(content, digest, limit)


def _read(answer: Any, most: int, deadline: float) -> bytes:
    """Read at most `most` bytes, and no longer than until `deadline`."""
    content = bytearray()
    while len(content) < most and (chunk := answer.read1(min(_CHUNK, most - len(content)))):
        content += chunk
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(content)} bytes in {DOWNLOAD_LIMIT_S} s are too few")
    return bytes(content)


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
