"""Where a device's key for S3-compatible stores comes from: a file, or an address that lends keys for a while.

Both give the JSON that the AWS tools know from `credential_process` and from containers.
"""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from ringtide_agent.adapters.artifact_stream import BrokenOffError
from ringtide_agent.adapters.web import Web
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.errors import InputError
from ringtide_contract.s3_signature import S3Key

MAX_BYTES = 16 * 1024
"""A key with the longest session token takes a few KiB."""

AHEAD = timedelta(minutes=2)
"""A lent key is asked for anew so long before it ends."""

UNSAID = timedelta(minutes=15)
"""How long a key is used that does not say when it ends: the shortest time for which AWS lends one."""


class Credentials(Protocol):
    """Gives the key that a request is signed with."""

    def key(self, web: Web) -> S3Key | None:
        """Return the key; None where requests go unsigned.

        Raises:
            BrokenOffError: There is none to be had now.
        """


class NoCredentials:
    """Requests go unsigned: the bucket is public."""

    def key(self, web: Web) -> None:
        """Return none; see `Credentials`."""


class FileCredentials:
    """A file, read before every download: whoever renews it needs to tell nobody."""

    def __init__(self, path: Path) -> None:
        """Keep the path."""
        self._path = path

    def key(self, web: Web) -> S3Key:  # noqa: ARG002 - no connection
        """Return the key in the file; see `Credentials`."""
        try:
            with self._path.open("rb") as file:
                return parse_key(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise BrokenOffError(f"{self._path}: {error.strerror}") from error
        except InputError as error:
            raise BrokenOffError(f"{self._path}: {error}") from error


class LentCredentials:
    """An address that lends keys, to whom the client certificate or the network says it should; kept until they end."""

    def __init__(self, url: str, store: WebStore, now: Callable[[], datetime]) -> None:
        """Ask nobody yet.

        Args:
            url: The address.
            store: Asks it.
            now: Returns the present.
        """
        self._url, self._store, self._now = url, store, now
        self._lock = threading.Lock()
        self._kept: S3Key | None = None
        self._until: datetime | None = None

    def key(self, web: Web) -> S3Key:
        """Return the key that is lent now; see `Credentials`."""
        with self._lock:
            now = self._now()
            if self._kept is None or self._until is None or now >= self._until or self._until - now > timedelta(days=1):
                self._kept = self._ask(web)
                ends = self._kept.expires
                self._until = now + UNSAID if ends is None else max(ends, now) - AHEAD
            return self._kept

    def _ask(self, web: Web) -> S3Key:
        content = bytearray()
        with self._store.answer(self._url, {"Accept": "application/json"}, web) as response:
            if response.status != 200:
                raise BrokenOffError(f"{self._url} lends no key: HTTP {response.status}")
            while len(content) <= MAX_BYTES and (chunk := web.read(response, MAX_BYTES)):
                content += chunk
        try:
            return parse_key(bytes(content))
        except InputError as error:
            raise BrokenOffError(f"{self._url} lends no key: {error}") from error


def parse_key(content: bytes) -> S3Key:
    """Read a key.

    Raises:
        InputError: Not JSON, too long, or a part is missing; nothing of the content is quoted.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"longer than {MAX_BYTES} bytes")
    try:
        data: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(
            "not JSON. fix: write AccessKeyId and SecretAccessKey as JSON"
        ) from None  # it holds the secret
    if isinstance(data, Mapping) and isinstance(data.get("credentials"), Mapping):  # so says AWS IoT
        data = {name[:1].upper() + name[1:]: value for name, value in data["credentials"].items()}
    if not isinstance(data, Mapping):
        raise InputError("not a JSON object")
    names = ("AccessKeyId", "SecretAccessKey")
    missing = [name for name in names if not isinstance(data.get(name), str) or not data[name].strip()]
    if missing:
        raise InputError(f"{' and '.join(missing)} missing")
    token = data.get("SessionToken", data.get("Token"))
    for each in (data["AccessKeyId"], data["SecretAccessKey"], token or ""):
        if not (isinstance(each, str) and each.isascii() and each.isprintable()):
            raise InputError("a part that no header can carry")
    return S3Key(
        access_key_id=data["AccessKeyId"],
        secret_access_key=data["SecretAccessKey"],
        session_token=token if isinstance(token, str) and token else None,
        expires=_instant(data.get("Expiration")),
    )


def _instant(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(str(text))
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError("Expiration is not a time like 2026-01-31T12:00:00Z") from error
