"""Artifacts in a registry: what `ringtide` pushes a device pulls, and a login goes to nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.edges.test_artifact_fetch import CONTENT, DIGEST, SIZE, Shelf, artifact, part, shelf
from fakes.git_server import Authority
from fakes.oci_registry import (
    PASSWORD,
    Seen,
    collect_garbage,
    logins,
    needs_registry,
    registry,
    tls_server,
    token_service,
)
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.oci_store import OciStore
from ringtide_agent.adapters.web import Tls
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_engine.adapters.artifact_stores import open_store
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.ports import ArtifactStore

__all__ = ["shelf"]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


def engine(host: str, logins: Path | None = None) -> ArtifactStore:
    places = {} if logins is None else {"REGISTRY_AUTH_FILE": str(logins)}
    return open_store(f"oci://{host}/fleet/models/", places, SystemClock().now)


def fetcher(shelf: Shelf, authority: Authority, logins: Path | None = None) -> ArtifactFetcher:
    store = OciStore(logins, WebStore(("https",)))
    return ArtifactFetcher(shelf, sources={"oci": store}, tls=Tls(authority=str(authority.path)), reserve_bytes=0)


def uri(host: str) -> str:
    return f"oci://{host}/fleet/models@sha256:{DIGEST}"


@contextmanager
def kind(what: str, tmp_path: Path, authority: Authority) -> Iterator[tuple[str, Seen | None]]:
    if what == "tokens":
        with token_service(authority) as tokens, registry(tmp_path / "r", authority, token_realm=tokens.url) as host:
            yield host, tokens
        return
    with registry(tmp_path / "r", authority, htpasswd=what == "password") as host:
        yield host, None


@needs_registry
@pytest.mark.parametrize("what", ["open", "password", "tokens"])
def test_what_the_engine_pushes_a_device_pulls_and_resumes(
    tmp_path: Path, shelf: Shelf, authority: Authority, what: str
) -> None:
    with kind(what, tmp_path, authority) as (host, tokens):
        known = None if what == "open" else logins(tmp_path, host)
        store = engine(host, known)
        assert not store.has(DIGEST)
        assert [store.put(CONTENT), store.put(CONTENT)] == [uri(host)] * 2
        assert store.has(DIGEST)
        assert store.get(DIGEST, SIZE) == CONTENT
        pushed = 0 if tokens is None else len(tokens.asked)
        part(shelf).write_bytes(CONTENT[:300_000])
        mine = fetcher(shelf, authority, known)
        mine.fetch(artifact(uri(host)), 0)
        (shelf.folder / DIGEST).unlink()
        mine.fetch(artifact(uri(host)), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT
    if tokens is not None:
        assert ["pull%2Cpush" in path for path, _ in tokens.asked] == [True] * pushed + [False], "one token, to pull"


@needs_registry
@pytest.mark.parametrize("what", ["password", "tokens"])
def test_who_may_not_is_told_so_without_the_password(
    tmp_path: Path, shelf: Shelf, authority: Authority, what: str
) -> None:
    with kind(what, tmp_path, authority) as (host, _):
        for known in (None, logins(tmp_path, host, "wrong " + PASSWORD)):
            with pytest.raises(TransientError, match="HTTP 401") as failure:
                fetcher(shelf, authority, known).fetch(artifact(uri(host)), 0)
            with pytest.raises(InputError, match=r"HTTP 401\. fix: docker login") as refusal:
                engine(host, known).put(CONTENT)
            assert PASSWORD not in str(failure.value) + str(refusal.value)
    assert shelf.admitted == []


@needs_registry
def test_what_is_pushed_outlives_the_registrys_garbage_collection(tmp_path: Path, authority: Authority) -> None:
    with registry(tmp_path / "r", authority) as host:
        engine(host).put(CONTENT)
    collect_garbage(tmp_path / "r")
    with registry(tmp_path / "r", authority) as host:
        assert engine(host).get(DIGEST, SIZE) == CONTENT


@needs_registry
def test_what_a_registry_lacks_may_come_and_is_never_taken_for_something_else(
    tmp_path: Path, shelf: Shelf, authority: Authority
) -> None:
    with registry(tmp_path / "r", authority) as host:
        with pytest.raises(TransientError, match="HTTP 404"):
            fetcher(shelf, authority).fetch(artifact(uri(host)), 0)
        engine(host).put(CONTENT)
        with pytest.raises(TrustError, match="larger than the 10 bytes"):
            engine(host).get(DIGEST, 10)
        with pytest.raises(TransientError, match="HTTP 404 BLOB_UNKNOWN"):
            engine(host).get(sha256(b"never pushed"), 10)
    assert shelf.admitted == []


BLOB = f"v2/fleet/models/blobs/sha256:{DIGEST}"


def test_no_login_follows_a_redirection_to_another_host(tmp_path: Path, shelf: Shelf, authority: Authority) -> None:
    basic = (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
    with (
        tls_server(authority, bytes=(200, {}, CONTENT)) as storage,
        tls_server(authority, **{"v2/": basic, BLOB: (307, {"Location": f"{storage.url}/bytes"}, b"")}) as door,
    ):
        host = door.url.removeprefix("https://")
        known = logins(tmp_path, host)
        part(shelf).write_bytes(CONTENT[:1000])
        fetcher(shelf, authority, known).fetch(artifact(uri(host)), 0)
        assert engine(host, known).get(DIGEST, SIZE) == CONTENT
    assert shelf.admitted == [DIGEST]
    assert [said for _, said in storage.asked] == ["", ""]
    sent = {said for path, said in door.asked if path != "/v2/"}
    assert len(sent) == 1
    assert sent.pop().startswith("Basic ")


def test_no_login_goes_to_a_storage_that_asks_for_one(tmp_path: Path, shelf: Shelf, authority: Authority) -> None:
    with tls_server(authority) as thief, tls_server(authority) as storage, tls_server(authority) as door:
        storage.answer["/bytes"] = (401, {"WWW-Authenticate": f'Bearer realm="{thief.url}/token"'}, b"")
        door.answer |= {"/v2/": (200, {}, b""), f"/{BLOB}": (302, {"Location": f"{storage.url}/bytes"}, b"")}
        host = door.url.removeprefix("https://")
        with pytest.raises(TransientError, match="may not read"):
            fetcher(shelf, authority, logins(tmp_path, host)).fetch(artifact(uri(host)), 0)
    assert thief.asked == []


def test_a_door_that_sends_on_is_not_believed(tmp_path: Path, shelf: Shelf, authority: Authority) -> None:
    with tls_server(authority) as thief, tls_server(authority) as door:
        thief.answer["/v2/"] = (401, {"WWW-Authenticate": f'Bearer realm="{thief.url}/token"'}, b"")
        door.answer["/v2/"] = (302, {"Location": f"{thief.url}/v2/"}, b"")
        host = door.url.removeprefix("https://")
        known = logins(tmp_path, host)
        with pytest.raises(TransientError, match="HTTP 404"):
            fetcher(shelf, authority, known).fetch(artifact(uri(host)), 0)
        with pytest.raises(TransientError, match="HTTP 404"):
            engine(host, known).get(DIGEST, SIZE)
    assert {said for _, said in thief.asked} <= {""}


def test_a_missing_file_of_logins_is_named(tmp_path: Path, shelf: Shelf, authority: Authority) -> None:
    with tls_server(authority, **{"v2/": (401, {"WWW-Authenticate": "Basic"}, b"")}) as door:
        host = door.url.removeprefix("https://")
        with pytest.raises(TransientError, match=r"nowhere\.json: No such file"):
            fetcher(shelf, authority, tmp_path / "nowhere.json").fetch(artifact(uri(host)), 0)
