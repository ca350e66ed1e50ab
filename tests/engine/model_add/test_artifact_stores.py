"""Artifact stores: a folder, and a web server on the loopback; damage and trouble are told apart."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_engine.adapters import artifact_stores
from ringtide_engine.adapters.artifact_stores import FolderStore
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.ports import ArtifactStore

CONTENT = b"a model" * 1000
DIGEST = sha256(CONTENT)
OTHER = sha256(b"another one")


def open_store(address: str) -> ArtifactStore:
    return artifact_stores.open_store(address, {}, SystemClock().now)


class Site(ThreadingHTTPServer):
    """A web server that serves what it is told to."""

    daemon_threads = True
    files: dict[str, bytes]
    status: int
    announce: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/models/"


class Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else self.server.status)
        self.send_header("Content-Length", str(len(content or b"") + self.server.announce))
        self.end_headers()
        if content is not None and self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(("127.0.0.1", 0), Answer) as server:
        server.files, server.status, server.announce = {f"/models/{DIGEST}": CONTENT}, 200, 0
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_folder_keeps_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    store = open_store((tmp_path / "a b").as_uri())
    assert not store.has(DIGEST)
    assert store.put(CONTENT) == (tmp_path / "a b" / DIGEST).as_uri() == store.put(CONTENT)
    assert store.has(DIGEST)
    assert store.get(DIGEST, len(CONTENT)) == CONTENT
    assert [each.name for each in (tmp_path / "a b").iterdir()] == [DIGEST]


def test_a_damaged_file_is_not_had_is_refused_and_is_mended(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(CONTENT)
    (tmp_path / DIGEST).write_bytes(CONTENT[:-1])
    assert not store.has(DIGEST)
    with pytest.raises(TrustError, match="STORE-DIGEST"):
        store.get(DIGEST, len(CONTENT))
    store.put(CONTENT)
    assert store.get(DIGEST, len(CONTENT)) == CONTENT


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact_stores.os, "fsync", full)
    with pytest.raises(TransientError, match="No space left on device"):
        FolderStore(tmp_path).put(CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(TransientError, match=f"{tmp_path}/store"):
        FolderStore(tmp_path / "store").put(CONTENT)


@pytest.mark.parametrize("kind", ["folder", "web"])
def test_a_file_that_is_too_large_or_not_there_is_refused(kind: str, tmp_path: Path, site: Site) -> None:
    FolderStore(tmp_path).put(CONTENT)
    store = FolderStore(tmp_path) if kind == "folder" else open_store(site.address)
    with pytest.raises(TrustError, match="STORE-SIZE"):
        store.get(DIGEST, len(CONTENT) - 1)
    with pytest.raises(TransientError, match=OTHER):
        store.get(OTHER, 100)


def test_a_web_server_gives_what_it_has(site: Site) -> None:
    store = open_store(site.address)
    assert (store.has(DIGEST), store.has(OTHER)) == (True, False)
    assert store.get(DIGEST, len(CONTENT)) == CONTENT
    assert store.put(CONTENT) == f"{site.address}{DIGEST}"


def test_a_web_server_takes_nothing(site: Site) -> None:
    with pytest.raises(InputError, match=f"is read only and lacks {OTHER}"):
        open_store(site.address).put(b"another one")


def test_other_bytes_from_a_web_server_are_refused(site: Site) -> None:
    site.files[f"/models/{DIGEST}"] = CONTENT[::-1]
    with pytest.raises(TrustError, match="STORE-DIGEST"):
        open_store(site.address).get(DIGEST, len(CONTENT))


def test_a_download_that_breaks_off_may_be_tried_again(site: Site) -> None:
    site.files[f"/models/{DIGEST}"], site.announce = CONTENT[:-7], 7
    with pytest.raises(TransientError, match=r"broke off|does not give"):
        open_store(site.address).get(DIGEST, len(CONTENT))


def test_a_download_without_an_end_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_stores, "DOWNLOAD_LIMIT_S", -1)
    with pytest.raises(TransientError, match="are too few"):
        open_store(site.address).get(DIGEST, len(CONTENT))


def test_a_web_server_in_trouble_may_be_tried_again(site: Site) -> None:
    site.status = 503
    store = open_store(site.address)
    with pytest.raises(TransientError, match="answered 503"):
        store.has(DIGEST)
    with pytest.raises(TransientError, match="503"):
        store.get(DIGEST, len(CONTENT))


def test_a_web_server_that_is_gone_may_be_tried_again(site: Site) -> None:
    address = site.address
    site.server_close()
    with pytest.raises(TransientError):
        open_store(address).has(DIGEST)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "models",
        "/srv/models",
        "file://",
        "file:models",
        "file://host/models",
        "ftp://host/m",
        "http://",
        "http://h:x/m",
    ],
)
def test_an_address_that_is_no_store_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="is not an artifact store"):
        open_store(address)
