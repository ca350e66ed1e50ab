"""Artifacts in S3-compatible stores, read and written: `s3://bucket/folder`, reached as the AWS tools are told to."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

import urllib3

from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.s3_signature import NOTHING, S3Key, object_url, signed_headers
from ringtide_engine.adapters.bounded_requests import checked, requested
from ringtide_engine.model.artifact_address import artifact_address

_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")
_SAID_BYTES = 4096
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class S3Store:
    """A folder of a bucket."""

    def __init__(self, address: str, environment: Mapping[str, str], now: Callable[[], datetime]) -> None:
        """Keep the address.

        Args:
            address: `s3://bucket` or `s3://bucket/folder`.
            environment: Says key, region and endpoint by the variables of the AWS tools.
            now: Returns the present.

        Raises:
            InputError: Not such an address, or half a key.
        """
        self._address, self._now = address.rstrip("/"), now
        self._region = _first(environment, _REGIONS) or "us-east-1"
        self._endpoint = _first(environment, _ENDPOINTS) or f"https://s3.{self._region}.amazonaws.com"
        self._key = _key(environment)
        object_url(self._endpoint, f"{self._address}/{NOTHING}")
        self._pool = urllib3.PoolManager(retries=False)

    def has(self, digest: Digest) -> bool:
        """Tell whether the store has the artifact."""
        status, _ = self._ask("HEAD", digest, limit=0)
        if status in (200, 404):
            return status == 200
        raise TransientError(f"the store {self._address} answered {status}; it asks for s3:GetObject and s3:ListBucket")

    def put(self, content: bytes) -> str:
        """Store content and return its URI; storing it twice changes nothing."""
        digest = sha256(content)
        if not self.has(digest):
            status, said = self._ask("PUT", digest, limit=_SAID_BYTES, content=content)
            if status != 200:
                raise TransientError(f"the store {self._address} does not take {digest}: {_said(status, said)}")
        return artifact_address(self._address, digest)

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes."""
        status, content = self._ask("GET", digest, limit=max(limit + 1, _SAID_BYTES))
        if status != 200:
            raise TransientError(f"the store {self._address} does not give {digest}: {_said(status, content)}")
        return checked(content, digest, limit)

    def _ask(self, method: str, digest: Digest, *, limit: int, content: bytes = b"") -> tuple[int, bytes]:
        url = object_url(self._endpoint, f"{self._address}/{digest}")
        headers: dict[str, str] = {}
        if self._key is not None:
            headers = signed_headers(
                method, url, {}, key=self._key, region=self._region, now=self._now(), content_sha256=sha256(content)
            )
        answer = requested(self._pool, method, url, headers, content or None, limit)
        if 300 <= answer.status < 400:
            raise TrustError(
                "STORE-PLACE", f"{self._address} lies elsewhere. fix: set AWS_REGION to the bucket's region"
            )
        return answer.status, answer.content


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _key(environment: Mapping[str, str]) -> S3Key | None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    public, secret = (environment.get(name, "") for name in names)
    if bool(public) != bool(secret):
        raise InputError(f"one of {' and '.join(names)} is set without the other")
    token = environment.get("AWS_SESSION_TOKEN") or None
    return S3Key(access_key_id=public, secret_access_key=secret, session_token=token) if public else None


def _said(status: int, content: bytes) -> str:
    found = _CODE.search(content)
    return f"HTTP {status}{f' {found[1].decode()}' if found else ''}"
