"""Signed requests to S3-compatible stores: AWS Signature Version 4, in headers. Both sides ask such stores.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from ringtide_contract.errors import InputError

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"

NOTHING = hashlib.sha256(b"").hexdigest()
"""Digest of a request without content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Key:
    """What a store knows somebody by."""

    access_key_id: str
    """The public half."""
    secret_access_key: str = field(repr=False)
    """The secret half."""
    session_token: str | None = field(default=None, repr=False)
    """What belongs to a key that was lent for a while; None for a lasting one."""
    expires: datetime | None = None
    """Until when it was lent; None for a lasting one."""


def object_url(endpoint: str, uri: str) -> str:
    """Return where the object of an `s3://bucket/key` address is asked for: by path, which every such store knows.

    Raises:
        InputError: Not such an address.
    """
    parts = urlsplit(uri)
    key = parts.path.removeprefix("/")
    is_plain = all(name not in ("", ".", "..") for name in key.split("/"))  # others are written anew on their way
    if parts.scheme != "s3" or not parts.netloc or not is_plain or parts.query or parts.fragment:
        raise InputError(f"{uri[:120]!r} is not an address like s3://bucket/key")
    return f"{endpoint.rstrip('/')}/{quote(parts.netloc, safe=_UNRESERVED)}/{quote(key, safe=_UNRESERVED + '/')}"


def signed_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    key: S3Key,
    region: str,
    now: datetime,
    content_sha256: str = NOTHING,
) -> dict[str, str]:
    """Return `headers` and those that sign the request; all of them and the host are covered.

    Args:
        method: HTTP method.
        url: Where it goes; its path is percent-encoded as it is sent.
        headers: What else is sent and shall be covered.
        key: Whose request it is.
        region: The store's region.
        now: The present; stores refuse a clock that is a quarter of an hour off.
        content_sha256: Digest of what is sent.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-content-sha256": content_sha256, "x-amz-date": stamp}
    if key.session_token is not None:
        sent["x-amz-security-token"] = key.session_token
    parts = urlsplit(url)
    covered = {name.lower(): " ".join(value.split()) for name, value in {**sent, "host": parts.netloc}.items()}
    names = ";".join(sorted(covered))
    request = "\n".join(
        (
            method,
            parts.path or "/",
            _canonical_query(parts.query),
            *(f"{name}:{covered[name]}" for name in sorted(covered)),
            "",
            names,
            content_sha256,
        )
    )
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_signing_key(key, scope), text.encode(), hashlib.sha256).hexdigest()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={key.access_key_id}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return sent


def _signing_key(key: S3Key, scope: str) -> bytes:
    secret = f"AWS4{key.secret_access_key}".encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return secret


def _canonical_query(query: str) -> str:
    pairs = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
