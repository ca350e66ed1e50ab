"""Artifact stores: folders and web servers that hold files at `<address>/<sha256>`."""

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.ports import ArtifactStore

HTTP_LIMIT_S = 60
"""A web server that is silent for a minute is gone."""


def open_store(address: str) -> ArtifactStore:
    """Return the store at `address`.

    Raises:
        InputError: The address is neither `file://`, `http://` nor `https://`.
    """
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme in ("http", "https"):
        return WebStore(address.rstrip("/"))
    raise InputError(f"{address!r} is not an artifact store: file:///folder, http:// or https://")


class FolderStore:
    """A folder; read and written."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; it is made at the first write."""
        self._folder = folder

    def has(self, digest: Digest) -> bool:
        """Tell whether the store has the artifact."""
        return (self._folder / digest).is_file()

    def put(self, content: bytes) -> str:
        """Store content and return its URI; storing it twice changes nothing."""
        path = self._folder.absolute() / sha256(content)
        if not path.is_file():
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
        return _checked(content, digest, limit)


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
        except OSError as error:
            raise TransientError(f"the store {self._address} does not answer: {error}") from error

    def put(self, content: bytes) -> str:
        """Refuse: a web server is filled by its owner.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self._address} is read only; upload the file as {sha256(content)} by other means")

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes."""
        try:
            with urllib.request.urlopen(f"{self._address}/{digest}", timeout=HTTP_LIMIT_S) as answer:  # noqa: S310
                content: bytes = answer.read(limit + 1)
        except OSError as error:
            raise TransientError(f"the store {self._address} does not give {digest}: {error}") from error
        return _checked(content, digest, limit)


def _checked(content: bytes, digest: Digest, limit: int) -> bytes:
    if len(content) > limit:
        raise TrustError("STORE-SIZE", f"{digest} is larger than the {limit} bytes it should have")
    if hashlib.sha256(content).hexdigest() != digest:
        raise TrustError("STORE-DIGEST", f"the store gives other bytes than {digest} names")
    return content


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
    finally:
        temporary.unlink(missing_ok=True)
