"""Requests to artifact stores whose answers have an end, and the check of what they bring."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest

HTTP_LIMIT_S = 60
"""A server that is silent for a minute is gone."""

DOWNLOAD_LIMIT_S = 900
"""A quarter of an hour for one file: a server that drips byte by byte never falls silent."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    """Status of HTTP."""
    headers: Mapping[str, str]
    """Its headers."""
    content: bytes
    """Its content, or the beginning of it."""


def requested(
    pool: urllib3.PoolManager, method: str, url: str, headers: Mapping[str, str], content: bytes | None, limit: int
) -> Answer:
    """Return the answer to a request, with at most `limit` bytes of its content; redirections are not followed.

    Raises:
        TransientError: No answer, too slow a one, or one that breaks off.
    """
    end = time.monotonic() + DOWNLOAD_LIMIT_S
    place = url.partition("?")[0]  # signed addresses carry secrets after the question mark
    try:
        answer = pool.request(
            method,
            url,
            body=content,
            headers={**headers, "Accept-Encoding": "identity", "User-Agent": "ringtide"},
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=HTTP_LIMIT_S, read=HTTP_LIMIT_S),
        )
        try:
            came = bytearray()
            while len(came) < limit and (chunk := answer.read1(min(_CHUNK, limit - len(came)))):
                came += chunk
                if time.monotonic() > end:
                    raise TransientError(f"{place}: {len(came)} bytes in {DOWNLOAD_LIMIT_S} s are too few")
            return Answer(status=answer.status, headers=answer.headers, content=bytes(came))
        finally:
            answer.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"{place} does not answer: {type(error).__name__}: {error}"[:300]) from error


def checked(content: bytes, digest: Digest, limit: int) -> bytes:
    """Return the content.

    Raises:
        TrustError: It is larger than it should be, or not what the digest names.
    """
    if len(content) > limit:
        raise TrustError("STORE-SIZE", f"{digest} is larger than the {limit} bytes it should have")
    if hashlib.sha256(content).hexdigest() != digest:
        raise TrustError("STORE-DIGEST", f"the store gives other bytes than {digest} names")
    return content
