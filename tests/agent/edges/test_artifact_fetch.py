"""Artifacts from several sources: resumed, hashed while they stream, and never admitted unless whole and right."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.folder_store import FolderStore
from ringtide_agent.adapters.throttle import Throttle
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest, sha256

CONTENT = bytes(range(256)) * 4096
DIGEST = sha256(CONTENT)
SIZE = len(CONTENT)
PAUSED_BYTES = 64 * 1024
FLIPPED = CONTENT[:-1] + b"\x00"


@dataclass
class Shelf:
    """Blobs in a folder."""

    folder: Path
    admitted: list[Digest] = field(default_factory=list)

    def blob_path(self, digest: Digest) -> str | None:
        path = self.folder / digest
        return str(path) if path.exists() else None

    def blob_partial_path(self, digest: Digest) -> Path:
        return self.folder / f"{digest}.part"

    def admit_blob(self, digest: Digest, partial: Path) -> None:
        os.replace(partial, self.folder / digest)
        self.admitted.append(digest)


@dataclass
class Web:
    """What a web server does and has seen."""

    port: int = 0
    content: bytes = CONTENT
    cut_after: int | None = None
    ranges: bool = True
    status: int = 200
    location: str = ""
    slow: bool = False
    chunked: bool = False
    retry_after: str = ""
    pause_s: float = 0.0
    seen: list[str] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/model.onnx"


@contextmanager
def web(**what: Any) -> Iterator[Web]:
    state = Web(**what)
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.seen.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if state.ranges else 0
            body = state.content[start:]
            self.send_response(206 if start else state.status)
            if state.location:
                self.send_header("Location", state.location)
            if state.retry_after:
                self.send_header("Retry-After", state.retry_after)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            if state.chunked:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                if state.slow:
                    while not stopped.wait(0.02):
                        self.wfile.write(b"x")
                while state.pause_s and len(body) > PAUSED_BYTES and not stopped.wait(state.pause_s):
                    self.wfile.write(body[:PAUSED_BYTES])
                    body = body[PAUSED_BYTES:]
                self.wfile.write(body if state.cut_after is None else body[: state.cut_after])
            except OSError:
                pass
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "blobs").mkdir()
    return Shelf(tmp_path / "blobs")


def fetcher(shelf: Shelf, **options: Any) -> ArtifactFetcher:
    return ArtifactFetcher(
        shelf, **{"sources": {"file": FolderStore(), "http": WebStore(("http",))}, "reserve_bytes": 0, **options}
    )


def artifact(*uris: str, **offers: Any) -> Artifact:
    return Artifact(name="model.onnx", sha256=DIGEST, size_bytes=SIZE, uris=uris, **offers)


def local(tmp_path: Path, content: bytes, name: str = "a model.onnx") -> str:
    path = tmp_path / name
    path.write_bytes(content)
    return path.as_uri()


def part(shelf: Shelf) -> Path:
    return shelf.blob_partial_path(DIGEST)


def test_a_file_is_admitted_once(tmp_path: Path, shelf: Shelf) -> None:
    uri = local(tmp_path, CONTENT)
    for _ in range(2):
        fetcher(shelf).fetch(artifact(uri), 0)
    assert shelf.admitted == [DIGEST]
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT
    assert not part(shelf).exists()


def test_a_break_is_resumed_where_it_was_by_another_process(shelf: Shelf) -> None:
    with web(cut_after=300_000) as source:
        with pytest.raises(TransientError):
            fetcher(shelf).fetch(artifact(source.url()), 0)
        kept = part(shelf).stat().st_size
        assert 0 < kept <= 300_000
        source.cut_after = None
        fetcher(shelf).fetch(artifact(source.url()), 0)
    assert source.seen == ["", f"bytes={kept}-"]
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_a_source_without_ranges_starts_again(shelf: Shelf) -> None:
    part(shelf).write_bytes(CONTENT[:1000])
    with web(ranges=False) as source:
        fetcher(shelf).fetch(artifact(source.url()), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_a_whole_part_needs_no_source(shelf: Shelf) -> None:
    part(shelf).write_bytes(CONTENT)
    with web() as source:
        fetcher(shelf).fetch(artifact(source.url()), 0)
        assert source.seen == []
    assert shelf.admitted == [DIGEST]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        *((wrong, kind) for wrong in (FLIPPED, CONTENT[:-1], CONTENT + b"x", b"") for kind in ("file", "http")),
        (FLIPPED, "http without a length"),
    ],
)
def test_other_bytes_are_refused_and_thrown_away(tmp_path: Path, shelf: Shelf, wrong: bytes, kind: str) -> None:
    source: AbstractContextManager[Web] = web(content=wrong, chunked=kind.endswith("length"))
    with source as server:
        uri = local(tmp_path, wrong) if kind == "file" else server.url()
        with pytest.raises(TrustError) as refusal:
            fetcher(shelf).fetch(artifact(uri), 0)
    assert refusal.value.rule == "ARTIFACT-DIGEST"
    assert list(shelf.folder.iterdir()) == []


def test_what_follows_the_last_byte_is_not_read(shelf: Shelf) -> None:
    with web(content=CONTENT + b"x", chunked=True) as server:
        fetcher(shelf).fetch(artifact(server.url()), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [CONTENT[:-1], b""])
def test_an_end_that_nobody_announced_may_be_a_break(shelf: Shelf, wrong: bytes) -> None:
    with web(content=wrong, chunked=True) as server, pytest.raises(TransientError, match=f"ends after {len(wrong)} of"):
        fetcher(shelf).fetch(artifact(server.url()), 0)
    assert [path.stat().st_size for path in shelf.folder.iterdir()] == ([len(wrong)] if wrong else [])


def test_the_second_source_makes_good_what_the_first_spoilt(tmp_path: Path, shelf: Shelf) -> None:
    fetcher(shelf).fetch(artifact(local(tmp_path, FLIPPED, "bad"), local(tmp_path, CONTENT, "good")), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_an_honest_source_is_not_blamed_for_a_poisoned_part(tmp_path: Path, shelf: Shelf) -> None:
    with web(content=b"\xff" * SIZE, cut_after=300_000) as liar:
        fetcher(shelf).fetch(artifact(liar.url(), local(tmp_path, CONTENT)), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_a_liar_beside_an_absent_source_may_come_right_later(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(TransientError, match="other bytes"):
        fetcher(shelf).fetch(artifact(local(tmp_path, FLIPPED), "file:///nowhere/x"), 0)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://bucket/x", "s3 addresses are not among"),
        ("https://127.0.0.1/x", "https addresses are not among"),
        ("file://other/x", "another machine"),
        ("file:///dev/zero", "not a plain file"),
        ("relative", "no addresses"),
        ("http://127.0.0.1:1/x?signature=secret", "127.0.0.1:1/x:"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(shelf: Shelf, uri: str, reason: str) -> None:
    with pytest.raises(TransientError, match=reason) as failure:
        fetcher(shelf).fetch(artifact(uri), 0)
    assert "secret" not in str(failure.value)
    assert shelf.admitted == []


def test_a_missing_page_is_transient(shelf: Shelf) -> None:
    with web(status=404) as source, pytest.raises(TransientError, match="HTTP 404"):
        fetcher(shelf).fetch(artifact(source.url()), 0)


def test_redirections_are_followed_within_the_rules(shelf: Shelf) -> None:
    with web() as end, web(status=302, location=end.url()) as start:
        fetcher(shelf).fetch(artifact(start.url()), 0)
    assert shelf.admitted == [DIGEST]


@pytest.mark.parametrize(
    ("location", "reason"), [("file:///etc/passwd", "may not be used"), ("/again", "more than 3 redirections")]
)
def test_redirections_out_of_the_rules_are_not_followed(shelf: Shelf, location: str, reason: str) -> None:
    with web(status=302, location=location) as source, pytest.raises(TransientError, match=reason):
        fetcher(shelf).fetch(artifact(source.url()), 0)


def test_a_slow_source_is_given_up_and_its_bytes_are_kept(shelf: Shelf) -> None:
    with web(slow=True) as source, pytest.raises(TransientError, match="slower than"):
        fetcher(shelf, window_s=0.1, least_rate_bytes_s=SIZE).fetch(artifact(source.url()), 0)
    assert part(shelf).stat().st_size > 0


def test_a_full_disk_is_seen_before_the_first_byte(tmp_path: Path, shelf: Shelf) -> None:
    with web() as source:
        with pytest.raises(TransientError, match="disk full"):
            fetcher(shelf, reserve_bytes=1 << 60).fetch(artifact(source.url()), 0)
        assert source.seen == []
    assert not part(shelf).exists()


def test_a_disk_that_fills_up_on_the_way_is_transient(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with web() as source, pytest.raises(TransientError, match="disk full"):
        fetcher(shelf).fetch(artifact(source.url()), 0)
    assert shelf.admitted == []
    assert not part(shelf).exists()


@pytest.mark.parametrize(("said", "asked"), [("120", 1), ("tomorrow", 2), ("", 2)])
def test_a_source_that_asks_to_be_left_alone_is_and_the_next_one_is_asked(shelf: Shelf, said: str, asked: int) -> None:
    with web(status=503, retry_after=said) as busy:
        mine = fetcher(shelf)
        with pytest.raises(TransientError, match="HTTP 503"):
            mine.fetch(artifact(busy.url()), 0)
        with web() as idle:
            mine.fetch(artifact(busy.url(), idle.url()), 0)
        assert len(busy.seen) == asked
    assert shelf.admitted == [DIGEST]


def test_disk_space_is_set_aside_before_the_first_byte(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def look(_fetcher: object, chunks: Iterator[bytes]) -> Iterator[bytes]:
        found = part(shelf).stat()
        seen.append((found.st_size, found.st_blocks * 512))
        return chunks

    monkeypatch.setattr(ArtifactFetcher, "_keeping_up", look)
    with web() as source:
        fetcher(shelf).fetch(artifact(source.url()), 0)
    assert [size for size, _ in seen] == [0]
    assert seen[0][1] >= SIZE


def test_all_downloads_share_the_rate_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(time, "sleep", pauses.append)
    rates = [1000]
    throttle = Throttle(lambda: rates[-1], 500)
    for count in (500, 250):
        throttle.take(count)
    assert (throttle.chunk_bytes, pauses) == (125, [0.5, 0.75])
    rates.append(500)
    throttle.take(250)
    assert pauses[2:] == [1.25], "another hour has another rate"
