"""OCI registries: addresses, challenges, tokens and logins are read narrowly, and no secret is quoted."""

import base64
import json

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.oci import Login, Repository, parse_blob, read_login, read_token, token_url

DIGEST = sha256(b"x")
REPOSITORY = Repository(host="registry.example.org:5000", name="fleet/models")


def login_file(**entries: object) -> bytes:
    return json.dumps({"auths": entries}).encode()


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_a_blob_is_asked_for_at_its_repository() -> None:
    repository, digest = parse_blob(f"oci://registry.example.org:5000/fleet/models@sha256:{DIGEST}")
    assert (repository, digest) == (REPOSITORY, DIGEST)
    assert repository.blob_url(digest) == f"https://registry.example.org:5000/v2/fleet/models/blobs/sha256:{DIGEST}"
    assert repository.door == "https://registry.example.org:5000/v2/"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        f"oci://host@sha256:{DIGEST}",
        f"oci:///name@sha256:{DIGEST}",
        f"oci://host/Name@sha256:{DIGEST}",
        f"oci://host/a/../b@sha256:{DIGEST}",
        f"oci://user:pass@host/a@sha256:{DIGEST}",
        f"oci://host/a?x@sha256:{DIGEST}",
        f"oci://host/{'a' * 256}@sha256:{DIGEST}",
        "oci://host/name",
        "oci://host/name:latest",
        "oci://host/name@sha256:abc",
        f"https://host/name@sha256:{DIGEST}",
    ],
)
def test_what_is_no_blob_is_refused(uri: str) -> None:
    with pytest.raises(InputError):
        parse_blob(uri)


@pytest.mark.parametrize("name", ["registry.example.org:5000", "https://registry.example.org:5000"])
def test_a_login_is_found_by_its_registry_alone(name: str) -> None:
    content = login_file(**{"other.example.org": auth("x:y"), name: auth("fleet:pa:ss")})
    assert read_login(content, REPOSITORY.host) == Login(user="fleet", password="pa:ss")
    assert read_login(content, "registry.example.org") is None
    assert "pa:ss" not in repr(read_login(content, REPOSITORY.host))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"auths": []}',
        login_file(h={"auth": "topsecret!"}),
        login_file(h=auth("topsecret")),
        b'{"auths": {"h": 1}}',
    ],
)
def test_a_broken_file_of_logins_is_named_and_not_quoted(content: bytes) -> None:
    with pytest.raises(InputError) as error:
        read_login(content, "h")
    assert "topsecret" not in str(error.value)


def test_a_login_kept_by_a_helper_program_is_none() -> None:
    assert read_login(login_file(h={}), "h") is None


def test_a_token_is_asked_for_where_the_registry_says_and_for_this_repository_alone() -> None:
    challenge = 'Bearer realm="https://auth.example.org/token?a=b",service="my registry",scope="repository:other:push"'
    assert token_url(challenge, REPOSITORY, "pull") == (
        "https://auth.example.org/token?a=b&service=my+registry&scope=repository%3Afleet%2Fmodels%3Apull"
    )
    assert token_url('Basic realm="x"', REPOSITORY, "pull") is None


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Negotiate",
        "Bearer",
        'Bearer realm="http://auth.example.org/token"',
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm="https://me@auth.example.org/"',
    ],
)
def test_no_login_goes_to_a_place_without_tls(challenge: str) -> None:
    with pytest.raises(InputError, match="asks for no login that is known here, or for one without TLS"):
        token_url(challenge, REPOSITORY, "pull")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"token": "t", "expires_in": 300}, ("t", 300)),
        ({"access_token": "t"}, ("t", 60)),
        ({"token": "t", "expires_in": -1}, ("t", 60)),
        ({"token": "t", "expires_in": True}, ("t", 60)),
        ({"token": "t", "expires_in": 10**9}, ("t", 60)),
    ],
)
def test_a_token_holds_as_long_as_it_says_within_reason(said: object, read: tuple[str, int]) -> None:
    assert read_token(json.dumps(said).encode()) == read


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"token": ""}', b'{"token": 1}', b'{"token": "a\\r\\nb"}', b'{"token": "a b"}']
)
def test_what_is_no_token_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="no token came"):
        read_token(content)
