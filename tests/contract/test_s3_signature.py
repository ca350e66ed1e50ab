"""Requests to S3-compatible stores: the signatures that AWS has published, and what they cover."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.s3_signature import S3Key, object_url, signed_headers

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Examples: Signature calculations"
KEY = S3Key(access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"
WELCOME = b"Welcome to Amazon S3."
PUBLISHED = [
    (
        "GET",
        "/test.txt",
        {"Range": "bytes=0-9"},
        b"",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "PUT",
        "/test%24file.text",
        {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        WELCOME,
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ("GET", "/?max-keys=2&prefix=J", {}, b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
]


def signature(
    method: str = "GET",
    path: str = "/test.txt",
    headers: dict[str, str] | None = None,
    content: bytes = b"",
    key: S3Key = KEY,
    now: datetime = NOW,
) -> str:
    sent = signed_headers(
        method, HOST + path, headers or {}, key=key, region="us-east-1", now=now, content_sha256=sha256(content)
    )
    return sent["Authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(("method", "path", "headers", "content", "published"), PUBLISHED)
def test_signatures_are_those_that_aws_published(
    method: str, path: str, headers: dict[str, str], content: bytes, published: str
) -> None:
    assert signature(method, path, headers, content) == published


def test_the_header_says_what_it_covers() -> None:
    sent = signed_headers("GET", f"{HOST}/test.txt", {"Range": "bytes=0-9"}, key=KEY, region="us-east-1", now=NOW)
    assert sent["Authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
    )
    assert sent["Range"] == "bytes=0-9"


def test_a_lent_key_sends_its_token_and_covers_it() -> None:
    lent = S3Key(access_key_id="A", secret_access_key="s", session_token="t")
    sent = signed_headers("GET", HOST, {}, key=lent, region="us-east-1", now=NOW)
    assert sent["x-amz-security-token"] == "t"
    assert ";x-amz-security-token," in sent["Authorization"]
    assert signature(key=lent) != signature(key=S3Key(access_key_id="A", secret_access_key="s"))


def test_every_part_of_a_request_changes_its_signature() -> None:
    later = NOW + timedelta(seconds=1)
    other = S3Key(access_key_id=KEY.access_key_id, secret_access_key="other")
    seen = {
        signature(),
        signature("PUT"),
        signature(path="/other"),
        signature(headers={"Range": "bytes=1-"}),
        signature(content=b"x"),
        signature(key=other),
        signature(now=later),
    }
    assert len(seen) == 7
    assert signature(now=NOW.astimezone(timezone(timedelta(hours=5)))) == signature()


def test_no_secret_is_shown_where_a_key_is() -> None:
    lent = S3Key(access_key_id="A", secret_access_key="secret", session_token="token")
    assert "secret'" not in repr(lent)
    assert "token'" not in repr(lent)


def test_an_object_is_asked_for_by_path() -> None:
    assert (
        object_url("https://s3.example.org/", "s3://models/a b/ü+1") == "https://s3.example.org/models/a%20b/%C3%BC%2B1"
    )


@pytest.mark.parametrize(
    "uri", ["s3://", "s3:///key", "s3://bucket", "s3://bucket/", "s3://b/k?x=1", "s3://b/../c/k", "https://b/k", ""]
)
def test_what_is_no_object_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="s3://bucket/key"):
        object_url("https://s3.example.org", uri)
