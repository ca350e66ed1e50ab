"""A store of artifacts that says what no honest one says costs the device its own answer alone: the next source has its turn."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from agent.edges.test_artifact_fetch import CONTENT, DIGEST, SIZE, Shelf, artifact, fetcher, shelf
from agent.edges.test_background_fetch import until_here
from fakes.raw_server import END, page, raw_server
from ringtide_agent.adapters.background_fetch import BackgroundFetch
from ringtide_agent.adapters.s3_credentials import LentCredentials
from ringtide_agent.adapters.s3_store import S3Access, S3Store
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import parse_digest
from ringtide_contract.oci import Repository, read_token, token_url

__all__ = ["shelf"]

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\n"
KEY = {"AccessKeyId": "a", "SecretAccessKey": "b"}


def honest(_: str) -> bytes:
    return page(CONTENT)


def forever(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield then


@pytest.mark.parametrize(
    "location", ["http://[", "//[x]/", "http://a:99999999/", "http://a\x01b/", "file:///etc/passwd"]
)
def test_a_redirection_to_no_address_leaves_the_next_source_its_turn(shelf: Shelf, location: str) -> None:
    def astray(_: str) -> bytes:
        return page(b"", b"Location: " + location.encode(), status=b"302 Found")

    with raw_server(astray) as hostile, raw_server(honest) as good:
        fetcher(shelf).fetch(artifact(f"{hostile.url}/m", f"{good.url}/m"), 0)
    assert (shelf.admitted, len(hostile.asked)) == ([DIGEST], 1)


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: -1", b"Content-Length: 5"),
        (b"Content-Length: " + b"9" * 5000,),
        (b"Content-Range: bytes 0-1/" + b"9" * 5000,),
        (b"Transfer-Encoding: chunked", b"Content-Length: 7"),
        (b"X: " + b"y" * 70_000,),
        tuple(b"X-%d: y" % number for number in range(200)),
        (b"Content-Encoding: gzip",),
        (b"Content-Encoding: " + b"gzip, " * 1000,),
    ],
    ids=["lengths", "digits", "range", "both", "long", "many", "gzip", "gzips"],
)
def test_headers_that_lie_leave_the_next_source_its_turn(shelf: Shelf, headers: tuple[bytes, ...]) -> None:
    answer = OK + b"\r\n".join((*headers, b"Connection: close")) + END + gzip.compress(bytes(SIZE))
    with raw_server(lambda _: answer) as hostile, raw_server(honest) as good:
        fetcher(shelf).fetch(artifact(f"{hostile.url}/m", f"{good.url}/m"), 0)
    assert shelf.admitted == [DIGEST]


def test_what_is_encoded_without_being_asked_for_is_not_decoded(shelf: Shelf) -> None:
    """Else a kilobyte unfolds to a megabyte in the agent's memory, before any length or digest is looked at."""
    answer = OK + b"Content-Encoding: gzip\r\nConnection: close" + END + gzip.compress(CONTENT)
    with raw_server(lambda _: answer) as hostile, pytest.raises(TransientError, match="ends after"):
        fetcher(shelf).fetch(artifact(f"{hostile.url}/m"), 0)
    assert shelf.admitted == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked" + END + b"0\r\n", b"X: y\r\n"),
        (OK + b"Transfer-Encoding: chunked" + END, b"1;" + b"e" * 1000 + b"\r\nx\r\n"),
        (OK + b"Transfer-Encoding: chunked" + END, b"-5\r\nx"),
    ],
    ids=["100", "103", "trailers", "extensions", "negative"],
)
def test_answers_that_never_begin_or_end_are_cut_and_the_next_source_has_its_turn(
    shelf: Shelf, first: bytes, then: bytes
) -> None:
    with raw_server(lambda _: forever(first, then)) as hostile, raw_server(honest) as good:
        source = BackgroundFetch(fetcher(shelf, window_s=1.0), patience_s=0.01, stuck_s=0.3)
        until_here(source, [f"{hostile.url}/m", f"{good.url}/m"])
    assert shelf.admitted == [DIGEST]


def test_a_source_that_changes_what_it_has_in_the_middle_is_found_by_the_digest(shelf: Shelf) -> None:
    other = bytes(SIZE)
    half = SIZE // 2
    first = OK + b'ETag: "1"\r\nContent-Length: %d\r\nConnection: close' % SIZE + END + CONTENT[:half]
    rest = b'HTTP/1.1 206 OK\r\nETag: "2"\r\nContent-Range: bytes %d-%d/%d\r\nConnection: close' % (
        half,
        SIZE - 1,
        SIZE,
    )
    answers = iter([first, rest + END + other[half:], first, page(CONTENT)])
    with raw_server(lambda _: next(answers)) as changing:
        source = artifact(f"{changing.url}/m")
        with pytest.raises(TransientError, match=r"ends after|IncompleteRead"):
            fetcher(shelf).fetch(source, 0)
        with pytest.raises(TransientError, match=r"ends after|IncompleteRead"):
            fetcher(shelf).fetch(source, 0)  # the mixture is thrown away, and the piece begun anew
        assert shelf.admitted == []
        fetcher(shelf).fetch(source, 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "lent",
    [
        b"[" * 16_000,
        b"9" * 9000,
        json.dumps({**KEY, "Expiration": "0001-01-01T00:00:00"}).encode(),
        json.dumps({**KEY, "Expiration": "0001-01-01T00:00:00+23:59"}).encode(),
        json.dumps({**KEY, "AccessKeyId": "\u20ac"}).encode(),
        json.dumps({**KEY, "SecretAccessKey": "\ud800"}).encode(),
        json.dumps({**KEY, "Token": "a\r\nX: y"}).encode(),
    ],
    ids=["deep", "digits", "past", "before time", "euro", "surrogate", "header"],
)
def test_a_lender_of_nonsense_leaves_the_next_source_its_turn(shelf: Shelf, lent: bytes) -> None:
    def lender(path: str) -> bytes:
        return page(lent) if path == "/lend" else page(b"", status=b"403 No")

    store = WebStore(("http",))
    with raw_server(lender) as hostile, raw_server(honest) as good:
        access = S3Access(endpoint=hostile.url, region="x", credentials_url=f"{hostile.url}/lend")
        s3 = S3Store(access, LentCredentials(f"{hostile.url}/lend", store, lambda: NOW), store, lambda: NOW)
        fetcher(shelf, sources={"s3": s3, "http": store}).fetch(artifact("s3://bucket/key", f"{good.url}/m"), 0)
    assert shelf.admitted == [DIGEST]


@pytest.mark.parametrize("said", [b"[" * 60_000, b'{"token": "\xe2\x82\xac"}', b'{"token": "a\\r\\nX: y"}'])
def test_a_token_that_no_header_can_carry_is_none(said: bytes) -> None:
    with pytest.raises(InputError, match="no token came"):
        read_token(said)


@pytest.mark.parametrize("realm", ["https://[", "https://a:b@c/", "file:///etc/passwd", ""])
def test_a_registry_that_sends_for_tokens_to_no_address_is_named(realm: str) -> None:
    repository = Repository(host="registry.example.org", name="models")
    with pytest.raises(InputError, match=r"registry\.example\.org asks for no login"):
        token_url(f'Bearer realm="{realm}"', repository, "pull")
    assert repository.blob_url(parse_digest(DIGEST)).startswith("https://")
