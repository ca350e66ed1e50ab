"""A mirror that says what no honest one says is left at the deadline and passed over: it neither fills the device nor ends the agent."""

import gzip
import tracemalloc
from collections.abc import Iterator

import pytest

from agent.edges.test_web_mirror import mirror, read
from fakes.raw_server import END, page, raw_server
from ringtide_contract.errors import TransientError, TrustError

STATE = b"a" * 40
OK = b"HTTP/1.1 200 OK\r\n"


def shows(*headers: bytes) -> dict[str, bytes]:
    return {"/latest": page(STATE, *headers), f"/states/{STATE.decode()}/head.json": page(b"one")}


@pytest.mark.parametrize(
    "tag",
    [
        b"x" * 199 + b"\r y",
        b"x" * 199 + b"\n y",
        b"x" * 300,
        b"\x00",
        b"\x1b[2J",
        b"\xff\xfe",
        b"\xc2\x85",
    ],
)
def test_an_etag_that_no_header_can_give_back_costs_its_304_alone(tag: bytes) -> None:
    """It was cut where a header may not end, and the next question with it ended the agent."""
    with raw_server(shows(b"ETag: " + tag).__getitem__) as server:
        source = mirror(server.url)
        assert [read(source) for _ in range(3)] == [b"one"] * 3
        assert not any(b"If-None-Match" in head for head in server.asked)


def test_a_good_etag_is_given_back() -> None:
    with raw_server(shows(b'ETag: W/"1-2"').__getitem__) as server:
        source = mirror(server.url)
        read(source)
        read(source)
        assert b'if-none-match: w/"1-2"' in server.asked[-1].lower()


def test_what_is_encoded_without_being_asked_for_is_not_decoded() -> None:
    bomb = gzip.compress(gzip.compress(bytes(64 * 1024 * 1024)))
    files = shows() | {
        f"/states/{STATE.decode()}/head.json": page(bomb, b"Content-Encoding: gzip, gzip"),
    }
    tracemalloc.start()
    try:
        with raw_server(files.__getitem__) as server:
            assert read(mirror(server.url), limit=len(bomb)) == bomb
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def forever(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield then


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked" + END + b"0\r\n", b"X: y\r\n"),
        (OK + b"Transfer-Encoding: chunked" + END, b"-5\r\nx"),
        (OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked" + END, b"5\r\n\x00\x00\x00\xff\xff\r\n"),
    ],
    ids=["100", "102", "trailers", "negative", "empty blocks"],
)
def test_answers_that_never_begin_or_end_are_left_at_the_deadline(first: bytes, then: bytes) -> None:
    with raw_server(lambda _: forever(first, then)) as server, pytest.raises(TransientError, match=server.url):
        read(mirror(server.url, deadline_s=0.5))


@pytest.mark.parametrize("status", [b"301 Moved", b"307 Elsewhere", b"401 Who", b"103 Early", b"999 Odd", b"000 Odd"])
def test_a_mirror_sends_the_device_nowhere_and_asks_it_for_nothing(status: bytes) -> None:
    with raw_server(lambda _: page(b"one")) as elsewhere:

        def sends(_: str) -> bytes:
            return page(b"", b"Location: " + elsewhere.url.encode(), b"WWW-Authenticate: Basic", status=status)

        with raw_server(sends) as server, pytest.raises(TransientError):
            read(mirror(server.url, deadline_s=2.0))
        assert elsewhere.asked == []
        assert not any(b"authorization" in head.lower() for head in server.asked)


@pytest.mark.parametrize(
    "path", ["states", ".", "./head.json", "a//b", "%2e%2e/latest", "head.json?x", "head.json#x", "\\..\\x"]
)
def test_a_signed_name_that_is_no_plain_path_leads_nowhere_else(path: str) -> None:
    """Whatever stands in a name is asked for below the state, or refused."""
    below = f"/states/{STATE.decode()}/"

    def only_here(asked: str) -> bytes:
        return page(STATE) if asked == "/latest" else page(b"", status=b"404 No")

    with raw_server(only_here) as server:
        with pytest.raises(TrustError):
            read(mirror(server.url), path)
        assert all(each == "/latest" or (each.startswith(below) and "?" not in each) for each in server.paths)
