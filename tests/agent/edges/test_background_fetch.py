"""Downloads beside the loop: it is never kept waiting, whatever a server does."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.edges.test_artifact_fetch import CONTENT, DIGEST, FLIPPED, Shelf, artifact, fetcher, local, shelf, web
from ringtide_agent.adapters.background_fetch import MOST_AT_ONCE, BackgroundFetch
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import sha256

__all__ = ["shelf"]

END_S = 20.0


def until_here(source: BackgroundFetch, uris: list[str]) -> None:
    end = time.monotonic() + END_S
    while not source.fetch(artifact(*uris), 0):
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.01)


@contextmanager
def trickle(greeting: bytes = b"HTTP/1.1 200 OK\r\nX: ") -> Iterator[str]:
    """A server whose headers never end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)
                while not stopped.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/model.onnx"
        finally:
            stopped.set()
            thread.join(END_S)


def test_what_is_quick_costs_no_turn(tmp_path: Path, shelf: Shelf) -> None:
    woken: list[bool] = []
    source = BackgroundFetch(fetcher(shelf), wake=lambda: woken.append(True), patience_s=END_S)
    assert source.fetch(artifact(local(tmp_path, CONTENT)), 0)
    assert (shelf.admitted, woken) == ([DIGEST], [True])


def test_a_server_that_says_nothing_keeps_nobody_waiting_and_the_next_source_has_its_turn(shelf: Shelf) -> None:
    with trickle() as silent, web() as good:
        source = BackgroundFetch(fetcher(shelf), patience_s=0, stuck_s=0.2)
        assert not source.fetch(artifact(silent, good.url()), 0)
        until_here(source, [silent, good.url()])
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_headers_that_never_end_are_cut_and_named(shelf: Shelf) -> None:
    with trickle() as silent, pytest.raises(TransientError, match=r"brought nothing for 0\.2 s"):
        until_here(BackgroundFetch(fetcher(shelf), patience_s=0, stuck_s=0.2), [silent])


def test_chunks_that_never_begin_are_cut_and_named(shelf: Shelf) -> None:
    greeting = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000"
    with trickle(greeting) as silent, pytest.raises(TransientError, match=r"brought nothing for 0\.2 s"):
        until_here(BackgroundFetch(fetcher(shelf), patience_s=0, stuck_s=0.2), [silent])


def test_what_nobody_asks_for_any_more_is_ended_and_begins_again_when_it_is_asked_for(shelf: Shelf) -> None:
    with web(slow=True) as slow:
        source = BackgroundFetch(fetcher(shelf), patience_s=0, lease_s=0.1)
        assert not source.fetch(artifact(slow.url()), 0)
        time.sleep(0.2)
        for _ in range(500):
            source._end_those_left()
            if not source._jobs:
                break
            time.sleep(0.02)
        assert source._jobs == {}
        slow.slow = False
        until_here(source, [slow.url()])
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_what_nobody_asks_for_any_more_ends_by_itself_though_nothing_else_is_fetched(shelf: Shelf) -> None:
    with web(slow=True) as slow:
        source = BackgroundFetch(fetcher(shelf), patience_s=0, lease_s=0.1)
        assert not source.fetch(artifact(slow.url()), 0)
        job = source._jobs[DIGEST]
        assert job._done.wait(END_S)
        assert (job.is_dropped, job.trouble) == (True, None)


def test_a_download_that_is_left_ends_and_goes_on_when_it_is_asked_for_again(shelf: Shelf) -> None:
    with web(slow=True) as slow:
        source = BackgroundFetch(fetcher(shelf), patience_s=0)
        assert not source.fetch(artifact(slow.url()), 0)
        source.leave(DIGEST)
        assert source._jobs[DIGEST]._done.wait(END_S)
        source.leave(sha256(b"what nobody fetches"))
        slow.slow = False
        until_here(source, [slow.url()])
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


def test_failures_reach_the_loop(tmp_path: Path, shelf: Shelf) -> None:
    source = BackgroundFetch(fetcher(shelf), patience_s=END_S)
    with pytest.raises(TransientError, match="No such file"):
        source.fetch(artifact("file:///nowhere/x"), 0)
    with pytest.raises(TrustError) as refusal:
        source.fetch(artifact(local(tmp_path, FLIPPED)), 0)
    assert refusal.value.rule == "ARTIFACT-DIGEST"
    assert source.fetch(artifact(local(tmp_path, CONTENT, "good")), 0)


def test_a_defect_is_named_and_ends_no_agent(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "blob_path", None)
    with pytest.raises(TransientError, match="TypeError"):
        BackgroundFetch(fetcher(shelf), patience_s=END_S).fetch(artifact("file:///nowhere/x"), 0)


def test_downloads_at_one_time_are_bounded(shelf: Shelf) -> None:
    with web(slow=True) as slow:
        source = BackgroundFetch(fetcher(shelf), patience_s=0)
        for number in range(MOST_AT_ONCE + 3):
            assert not source.fetch(replace(artifact(slow.url()), sha256=sha256(bytes([number]))), 0)
        assert len(source._jobs) == MOST_AT_ONCE  # ended ones among them, until they are asked for
