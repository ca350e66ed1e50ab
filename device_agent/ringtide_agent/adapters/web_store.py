"""Artifacts on web servers: `http://` and `https://` addresses, signed ones among them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urljoin, urlsplit

import urllib3

from ringtide_agent.adapters.artifact_stream import BrokenOffError, Stream, WrongBytesError
from ringtide_agent.adapters.web import Web

RETRY_AFTER_MOST_S = 3600
"""A source that asks to be left alone is, for an hour at most."""

MAX_REDIRECTS = 3
"""Addresses followed from one source."""

_DIGITS = 15
"""A size or a number of seconds with more is none."""


class WebStore:
    """Web servers, asked as they are."""

    def __init__(self, schemes: Sequence[str]) -> None:
        """Ask nobody yet.

        Args:
            schemes: Of `http` and `https` those that may be used, also where a server sends the agent on.
        """
        self._schemes = frozenset(schemes) & {"http", "https"}
        self._closed_until_s: dict[str, float] = {}

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:
        """Open what lies at an address; see `ArtifactStore`."""
        with self.answer(uri, range_headers(start), web) as response:
            yield stream_of(response, start, web, amount)

    @contextmanager
    def answer(
        self, uri: str, headers: Mapping[str, str], web: Web, *, follow: bool = True
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Ask for an address and, where that is wanted, go where it leads; nothing of the content is read yet.

        Raises:
            BrokenOffError: No answer, or not to the end, also while the caller reads it.
        """
        try:
            with ExitStack() as stack:
                yield self._follow(stack, web, uri, headers, follow=follow)
        except urllib3.exceptions.HTTPError as error:
            raise BrokenOffError(web.why_cut or f"{type(error).__name__}: {error}"[:200]) from error

    def _follow(
        self, stack: ExitStack, web: Web, uri: str, headers: Mapping[str, str], *, follow: bool
    ) -> urllib3.BaseHTTPResponse:
        for _ in range(MAX_REDIRECTS + 1):
            host = urlsplit(uri).netloc
            wait_s = self._closed_until_s.get(host, 0.0) - time.monotonic()
            if wait_s > 0:
                raise BrokenOffError(f"asks to be left alone for another {wait_s:.0f} s")
            response = stack.enter_context(web.get(uri, headers))
            location = response.get_redirect_location()
            if not location or not follow:
                if response.status in (429, 503):
                    self._closed_until_s[host] = time.monotonic() + _retry_after_s(response)
                return response
            before = urlsplit(uri)
            try:
                uri = urljoin(uri, location)
                after = urlsplit(uri)
            except ValueError as error:
                raise BrokenOffError("redirects to what is no address") from error
            if after[:2] != before[:2]:  # another server is told nothing that was meant for this one
                headers = {name: value for name, value in headers.items() if name == "Range"}
            if after.scheme not in self._schemes:
                raise BrokenOffError("redirects to an address that may not be used")
        raise BrokenOffError(f"more than {MAX_REDIRECTS} redirections")


def range_headers(start: int) -> dict[str, str]:
    """Return the headers that ask for an artifact from byte `start` on."""
    return {"Range": f"bytes={start}-"} if start else {}


def stream_of(response: urllib3.BaseHTTPResponse, start: int, web: Web, amount: int) -> Stream:
    """Return what an answer brings, where bytes from `start` on were asked for.

    Raises:
        WrongBytesError: It ends before.
        BrokenOffError: The answer is another, or none of use.
    """
    begin, total = _extent(response, start)
    tag = response.headers.get("ETag")
    return Stream(start=begin, total=total, etag=tag, chunks=iter(lambda: web.read(response, amount), b""))


def _extent(response: urllib3.BaseHTTPResponse, start: int) -> tuple[int, int | None]:
    """Return the first byte that comes, and the size of the whole."""
    if response.status == 206:
        first, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(start):
            raise BrokenOffError("answers another range than was asked for")
        return start, _number(total)
    if response.status == 416:
        raise WrongBytesError(f"ends before byte {start}")
    if response.status != 200:
        raise BrokenOffError(f"HTTP {response.status}")
    return 0, _number(response.headers.get("Content-Length", ""))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> int:
    """Return how long a source asks to be left alone; a date instead of seconds, which needs a right clock, counts as 0."""
    return min(_number(response.headers.get("Retry-After", "").strip()) or 0, RETRY_AFTER_MOST_S)
