"""Artifacts in a bucket: what `ringtide` puts there a device fetches, through a server that checks every signature."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from agent.edges.test_artifact_fetch import CONTENT, DIGEST, SIZE, Shelf, artifact, part, shelf, web
from fakes.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, needs_nanio, s3_server
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.artifact_stream import BrokenOffError
from ringtide_agent.adapters.s3_credentials import (
    Credentials,
    FileCredentials,
    LentCredentials,
    NoCredentials,
    parse_key,
)
from ringtide_agent.adapters.s3_store import S3Access, S3Store
from ringtide_agent.adapters.web import Tls, Web
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_engine.adapters.artifact_stores import open_store
from ringtide_engine.ports import ArtifactStore

__all__ = ["shelf"]

URI = f"s3://{BUCKET}/onnx/{DIGEST}"
KEY = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as address:
        yield address


def filled(endpoint: str, **environment: str) -> ArtifactStore:
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        **environment,
    }
    return open_store(f"s3://{BUCKET}/onnx/", variables, now)


def credentials(tmp_path: Path, **other: str) -> FileCredentials:
    path = tmp_path / "s3.json"
    path.write_text(json.dumps({**KEY, **other}))
    return FileCredentials(path)


def fetcher(shelf: Shelf, endpoint: str, given: Credentials, skew: timedelta = timedelta(0)) -> ArtifactFetcher:
    plain = WebStore(("http",))
    access = S3Access(endpoint=endpoint, region="us-east-1")
    store = S3Store(access, given, plain, lambda: now() + skew)
    return ArtifactFetcher(shelf, sources={"s3": store, "http": plain}, reserve_bytes=0)


@needs_nanio
def test_what_the_engine_puts_a_device_fetches_and_resumes(endpoint: str, shelf: Shelf, tmp_path: Path) -> None:
    assert filled(endpoint).put(CONTENT) == URI
    part(shelf).write_bytes(CONTENT[:300_000])
    fetcher(shelf, endpoint, credentials(tmp_path)).fetch(artifact(URI), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


@needs_nanio
def test_storing_twice_changes_nothing_and_what_is_there_is_read_back(endpoint: str) -> None:
    store = filled(endpoint)
    assert not store.has(sha256(b"never put"))
    assert [store.put(CONTENT), store.put(CONTENT)] == [URI, URI]
    assert store.has(DIGEST)
    assert store.get(DIGEST, SIZE) == CONTENT
    with pytest.raises(TrustError, match="larger than the 10 bytes"):
        store.get(DIGEST, 10)
    with pytest.raises(TransientError, match="HTTP 404 NoSuchKey"):
        store.get(sha256(b"never put"), 10)


@needs_nanio
def test_an_address_that_carries_its_signature_is_fetched_as_it_is(endpoint: str, shelf: Shelf) -> None:
    filled(endpoint).put(CONTENT)
    part(shelf).write_bytes(CONTENT[:1000])
    fetcher(shelf, endpoint, NoCredentials()).fetch(artifact(presigned(endpoint)), 0)
    assert shelf.admitted == [DIGEST]


@needs_nanio
@pytest.mark.parametrize(
    ("other", "skew", "reason"),
    [
        ({"SecretAccessKey": "wrong"}, timedelta(0), "HTTP 403 SignatureDoesNotMatch"),
        ({"AccessKeyId": "NOBODY"}, timedelta(0), "HTTP 403 InvalidAccessKeyId"),
        ({}, timedelta(hours=-1), "HTTP 403 RequestTimeTooSkewed"),
    ],
)
def test_a_refusal_says_what_the_store_says(
    endpoint: str, shelf: Shelf, tmp_path: Path, other: dict[str, str], skew: timedelta, reason: str
) -> None:
    filled(endpoint).put(CONTENT)
    with pytest.raises(TransientError, match=reason) as failure:
        fetcher(shelf, endpoint, credentials(tmp_path, **other), skew).fetch(artifact(URI), 0)
    assert SECRET_KEY not in str(failure.value)
    assert shelf.admitted == []


@needs_nanio
def test_a_wrong_key_of_the_engine_is_named(endpoint: str) -> None:
    with pytest.raises(TransientError, match="answered 403"):
        filled(endpoint, AWS_SECRET_ACCESS_KEY="wrong").put(b"something else")


def test_half_a_key_of_the_engine_is_refused() -> None:
    with pytest.raises(InputError, match="AWS_SECRET_ACCESS_KEY is set without the other"):
        open_store("s3://models", {"AWS_ACCESS_KEY_ID": "A"}, now)


@pytest.mark.parametrize("status", [301, 307])
def test_a_bucket_that_lies_elsewhere_is_refused_by_the_engine(status: int) -> None:
    with web(status=status, location="/elsewhere") as server, pytest.raises(TrustError, match="AWS_REGION"):
        open_store("s3://models", {"AWS_ENDPOINT_URL": server.url().removesuffix("/model.onnx")}, now).get(DIGEST, 10)


@contextmanager
def lender(tmp_path: Path, said: bytes, status: int = 200) -> Iterator[tuple[LentCredentials, list[str], Web]]:
    with web(content=said, status=status) as server:
        connections = Web(Tls())
        try:
            yield LentCredentials(server.url(), WebStore(("http",)), now), server.seen, connections
        finally:
            connections.close()


def lent(**other: str) -> bytes:
    return json.dumps({**KEY, "Token": "t", **other}).encode()


@pytest.mark.parametrize(("minutes", "asked"), [(60, 1), (1, 3), (-60, 3)])
def test_a_lent_key_is_kept_until_shortly_before_it_ends(tmp_path: Path, minutes: int, asked: int) -> None:
    ends = (now() + timedelta(minutes=minutes)).isoformat()
    with lender(tmp_path, lent(Expiration=ends)) as (given, seen, _):
        keys = [given.key(Web(Tls())) for _ in range(3)]
    assert {key.session_token for key in keys} == {"t"}
    assert len(seen) == asked


def test_a_key_as_aws_iot_lends_it_is_read() -> None:
    said = {
        "credentials": {
            "accessKeyId": "A",
            "secretAccessKey": "s",
            "sessionToken": "t",
            "expiration": "2026-01-01T00:00:00Z",
        }
    }
    key = parse_key(json.dumps(said).encode())
    assert (key.access_key_id, key.secret_access_key, key.session_token) == ("A", "s", "t")
    assert key.expires == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"AccessKeyId": "topsecret"}', "SecretAccessKey missing"),
        (b'{"AccessKeyId": "", "SecretAccessKey": 1, "x": "topsecret"}', "AccessKeyId and SecretAccessKey missing"),
        (lent(Expiration="topsecret"), "Expiration is not a time"),
        (b"topsecret" * 4000, "longer than"),
    ],
)
def test_what_is_no_key_is_named_and_not_quoted(tmp_path: Path, said: bytes, reason: str) -> None:
    path = tmp_path / "s3.json"
    path.write_bytes(said)
    with lender(tmp_path, said) as (given, _, connections):
        with pytest.raises(BrokenOffError, match=reason) as one:
            FileCredentials(path).key(connections)
        with pytest.raises(BrokenOffError, match=reason) as two:
            given.key(connections)
    assert "topsecret" not in str(one.value) + str(two.value)


def test_a_refused_loan_and_a_missing_file_are_tried_again_later(tmp_path: Path, shelf: Shelf) -> None:
    with lender(tmp_path, b"no", 403) as (given, _, _), pytest.raises(TransientError, match="lends no key: HTTP 403"):
        fetcher(shelf, "http://127.0.0.1:1", given).fetch(artifact(URI), 0)
    missing = FileCredentials(tmp_path / "nowhere.json")
    with pytest.raises(TransientError, match=r"nowhere\.json: No such file"):
        fetcher(shelf, "http://127.0.0.1:1", missing).fetch(artifact(URI), 0)


@pytest.mark.parametrize("uri", ["s3://models", "s3://models/../x", "s3://models/x?y"])
def test_what_is_no_object_says_so(shelf: Shelf, uri: str) -> None:
    with pytest.raises(TransientError, match="not an address like s3://bucket/key"):
        fetcher(shelf, "http://127.0.0.1:1", NoCredentials()).fetch(artifact(uri), 0)


def presigned(endpoint: str) -> str:
    """Return an address that others have signed, as https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html says."""
    stamp = now().strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    query = "&".join(
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            f"X-Amz-Credential={quote(f'{ACCESS_KEY}/{scope}', safe='')}",
            f"X-Amz-Date={stamp}",
            "X-Amz-Expires=60",
            "X-Amz-SignedHeaders=host",
        )
    )
    path, secret = f"/{BUCKET}/onnx/{DIGEST}", f"AWS4{SECRET_KEY}".encode()
    request = "\n".join(("GET", path, query, f"host:{urlsplit(endpoint).netloc}", "", "host", "UNSIGNED-PAYLOAD"))
    for piece in scope.split("/"):
        secret = hmac.digest(secret, piece.encode(), "sha256")
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    return f"{endpoint}{path}?{query}&X-Amz-Signature={hmac.new(secret, text.encode(), 'sha256').hexdigest()}"
