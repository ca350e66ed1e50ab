"""Artifacts in S3-compatible stores: `s3://bucket/key` addresses, asked for with signed requests."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import urllib3

from ringtide_agent.adapters.artifact_stream import BrokenOffError, Stream
from ringtide_agent.adapters.s3_credentials import Credentials
from ringtide_agent.adapters.web import Web
from ringtide_agent.adapters.web_store import WebStore, range_headers, stream_of
from ringtide_contract.errors import InputError
from ringtide_contract.s3_signature import object_url, signed_headers

_SAID_BYTES = 4096
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """How S3-compatible stores are reached."""

    endpoint: str
    """Their address; buckets lie below it."""
    region: str
    """The region that requests are signed for."""
    credentials_file: str | None = None
    """File with the key."""
    credentials_url: str | None = None
    """Address that lends a key; with neither, requests go unsigned."""

    def __post_init__(self) -> None:
        """Refuse what no request can be made of."""
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise InputError(
                f"{parts.hostname or self.endpoint!r} is not an endpoint like https://s3.eu-central-1.amazonaws.com"
            )
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", self.region):
            raise InputError(f"{self.region!r} is not a region like eu-central-1")
        if self.credentials_file is not None and self.credentials_url is not None:
            raise InputError("the key comes from credentials_file or from credentials_url, not from both")


class S3Store:
    """The buckets behind one endpoint."""

    def __init__(
        self, access: S3Access, credentials: Credentials, store: WebStore, now: Callable[[], datetime]
    ) -> None:
        """Ask nobody yet.

        Args:
            access: How to reach them.
            credentials: Give the key.
            store: Makes the requests.
            now: Returns the present.
        """
        self._access, self._credentials, self._store, self._now = access, credentials, store, now

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:
        """Open an object; see `ArtifactStore`."""
        try:
            url = object_url(self._access.endpoint, uri)
        except InputError as error:
            raise BrokenOffError(str(error)) from error
        headers, key = range_headers(start), self._credentials.key(web)
        if key is not None:
            headers = signed_headers("GET", url, headers, key=key, region=self._access.region, now=self._now())
        with self._store.answer(url, headers, web) as response:
            if response.status not in (200, 206, 416):
                raise BrokenOffError(f"HTTP {response.status}{_code(response, web)}")
            yield stream_of(response, start, web, amount)


def _code(response: urllib3.BaseHTTPResponse, web: Web) -> str:
    """Return what the store says went wrong: a skewed clock is not a missing right."""
    found = _CODE.search(web.read(response, _SAID_BYTES))
    return f" {found[1].decode()}" if found else ""
