"""Publications from static files: the same checks as over Git, cheap when nothing changed, bounded whatever the server does."""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path

import pytest

from fakes.agent_world import World
from fakes.fault_proxy import FAULTS, Fault, fault_proxy
from fakes.publication import (
    BUNDLE_PATH,
    CLASS_ID,
    FLEET,
    KEY,
    build_publication,
    make_manifest,
    steady,
)
from fakes.static_server import StaticServer, static_server
from fakes.tuf_repository import TufRepository
from ringtide_agent.adapters.source_order import PASS_OVER_S, InOrder
from ringtide_agent.adapters.tuf_trust import TufTrust
from ringtide_agent.adapters.web_mirror import MirrorAccess, WebMirror
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import parse_device_id
from ringtide_contract.index import IndexRow

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DEVICE = parse_device_id("crane-07")


def write(folder: Path, files: dict[str, bytes]) -> str:
    """Write one state, as the publisher lays it out, and name it."""
    name = sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
    for path, content in files.items():
        place = folder / "states" / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    latest = folder / "latest"
    stamp = int(latest.stat().st_mtime) + 1 if latest.exists() else 1_000_000
    latest.write_text(f"{name}\n")
    os.utime(latest, (stamp, stamp))
    return name


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StaticServer]:
    (tmp_path / "web").mkdir()
    with static_server(tmp_path / "web") as made:
        yield made


def mirror(base: str, deadline_s: float = 20.0) -> WebMirror:
    return WebMirror(MirrorAccess(url=f"mirror+{base}"), deadline_s=deadline_s)


def read(source: WebMirror | InOrder, path: str = "head.json", limit: int = 100) -> bytes:
    with source.open() as snapshot:
        return snapshot.read(path, limit)


def test_the_newest_state_is_read(server: StaticServer) -> None:
    first = write(server.folder, {"head.json": b"one", "index/00.json": b"\x00\xff"})
    source = mirror(server.url)
    with source.open() as snapshot:
        assert (snapshot.commit, snapshot.read("head.json", 3)) == (first, b"one")
        assert snapshot.read("index/00.json", 2) == b"\x00\xff"
    second = write(server.folder, {"head.json": b"two"})
    with source.open() as snapshot:
        assert (snapshot.commit, snapshot.read("head.json", 3)) == (second, b"two")


@pytest.mark.parametrize(("path", "limit"), [("head.json", 2), ("missing.json", 9), ("index", 9), ("head.json/x", 9)])
def test_what_is_not_a_small_enough_file_is_refused(server: StaticServer, path: str, limit: int) -> None:
    write(server.folder, {"head.json": b"one", "index/00.json": b"x"})
    with mirror(server.url).open() as snapshot:
        with pytest.raises(TrustError, match="TREE-FILE"):
            snapshot.read(path, limit)
        assert snapshot.read("head.json", 3) == b"one"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "", "a/../../x", "a\nb"])
def test_paths_out_of_the_tree_are_refused(server: StaticServer, path: str) -> None:
    write(server.folder, {"head.json": b"one"})
    with mirror(server.url).open() as snapshot, pytest.raises(TrustError, match="TREE-PATH"):
        snapshot.read(path, 9)


@pytest.mark.parametrize("content", [b"", b"../../etc\n", b"A" * 40, b"a" * 41, b"<html>" * 1000])
def test_a_page_that_names_no_state_is_no_mirror(server: StaticServer, content: bytes) -> None:
    (server.folder / "latest").write_bytes(content)
    with pytest.raises(TransientError, match="no name of a publication"):
        read(mirror(server.url))


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "delay"])
def test_every_fault_of_the_network_is_passing_and_named_in_time(server: StaticServer, fault: Fault) -> None:
    write(server.folder, {"head.json": b"one"})
    with fault_proxy(server.port) as proxy:
        proxy.fault, proxy.after_bytes = fault, 60
        source = mirror(proxy.url, deadline_s=0.5)
        with pytest.raises(TransientError, match="mirror"):
            read(source)
        proxy.fault = "none"
        assert read(source) == b"one"


def test_an_answer_that_is_cut_in_its_headers_is_no_answer_and_not_remembered(server: StaticServer) -> None:
    write(server.folder, {"head.json": b"one"})
    with fault_proxy(server.port) as proxy:
        for cut in (17, 40, 80, 120):
            source = mirror(proxy.url)
            with source.open() as snapshot:
                source._web.close()
                proxy.fault, proxy.after_bytes = "cut", cut
                with pytest.raises(TransientError, match="mirror"):
                    snapshot.read("head.json", 9)
                proxy.fault = "none"
                assert snapshot.read("head.json", 9) == b"one"


def test_what_was_spoilt_on_its_way_is_read_again_once_it_was_refused(server: StaticServer) -> None:
    write(server.folder, {"head.json": b"one"})
    spoilt = server.folder / "states" / (server.folder / "latest").read_text().strip() / "head.json"
    spoilt.write_bytes(b"<html>")
    source = InOrder([mirror(server.url)])
    assert read(source) == b"<html>"
    spoilt.write_bytes(b"one")
    assert read(source) == b"<html>", "files of a state never change"
    source.pass_over()
    assert read(source) == b"one"


@pytest.mark.parametrize(
    "url",
    [
        "mirror+ftp://host/x",
        "mirror+https://",
        "https://host/x",
        "mirror+https://user:word@host/x",
        "mirror+https://host/x?key=1",
    ],
)
def test_an_address_that_is_no_mirror_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="mirror"):
        MirrorAccess(url=url)


def test_the_next_source_is_asked_where_one_does_not_answer_and_comes_first_for_a_while(server: StaticServer) -> None:
    write(server.folder, {"head.json": b"one"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    now = [1000.0]
    both = InOrder([mirror(dead), mirror(server.url)], now_s=lambda: now[0])
    assert read(both) == b"one"
    assert both._last_until_s == [1000.0 + PASS_OVER_S, 0.0]
    both.pass_over()
    with pytest.raises(TransientError, match=dead):
        read(InOrder([mirror(dead)]))


def test_a_source_whose_state_was_refused_comes_last_until_it_is_asked_again(tmp_path: Path) -> None:
    now = [1000.0]
    with static_server(tmp_path / "a") as bad, static_server(tmp_path / "b") as good:
        write(bad.folder, {"head.json": b"bad"})
        write(good.folder, {"head.json": b"good"})
        both = InOrder([mirror(bad.url), mirror(good.url)], now_s=lambda: now[0])
        assert read(both) == b"bad"
        both.pass_over()
        assert read(both) == b"good"
        now[0] += PASS_OVER_S
        assert read(both) == b"bad"


def publish(folder: Path, tuf: TufRepository, generation: int, release: str) -> None:
    manifest = make_manifest(release)
    others = {parse_device_id(f"other-{number}"): IndexRow(class_id=CLASS_ID, state="active") for number in range(500)}
    rows = {**others, DEVICE: IndexRow(class_id=CLASS_ID, state="active")}
    files = build_publication(rows, [steady(manifest)], [manifest], generation, issued_at=NOW)
    tuf.publish(files.pop(BUNDLE_PATH), NOW)
    write(folder, {**files, **tuf.files})


def device(tmp_path: Path, tuf: TufRepository, source: WebMirror) -> World:
    """Return a device that reads a mirror with the real TUF client."""
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "root.json").write_bytes(tuf.trusted_root)
    world = World()
    world.source, world.trust = InOrder([source]), TufTrust(str(trust))  # type: ignore[assignment]
    world.clock.wall = NOW
    world.start()
    return world


def test_a_device_follows_a_mirror_and_reads_its_own_path_only(tmp_path: Path, server: StaticServer) -> None:
    tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=NOW)
    publish(server.folder, tuf, 1, "1.0.0")
    world = device(tmp_path, tuf, mirror(server.url))
    world.turns(3)
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
    assert len([path for path in server.asked if "/index/" in path]) == 1
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert len(set(server.asked)) < len(files), "others' files are not asked for"
    publish(server.folder, tuf, 2, "1.1.0")
    world.turns(3)
    assert world.runs() == "1.1.0"


def test_a_poll_without_news_is_one_request_of_less_than_a_kilobyte(tmp_path: Path, server: StaticServer) -> None:
    tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=NOW)
    publish(server.folder, tuf, 1, "1.0.0")
    with fault_proxy(server.port) as proxy:
        world = device(tmp_path, tuf, mirror(proxy.url))
        world.turns(3)
        proxy.sent = proxy.received = proxy.connections = 0
        server.asked.clear()
        server.statuses.clear()
        world.turn()
    assert (server.asked, server.statuses) == (["/latest"], [304])
    assert 0 < proxy.sent + proxy.received <= 1024


def test_a_mirror_that_stands_still_shows_as_stale(tmp_path: Path, server: StaticServer) -> None:
    tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=NOW)
    publish(server.folder, tuf, 1, "1.0.0")
    world = device(tmp_path, tuf, mirror(server.url))
    world.turns(3)
    assert world.conditions() == set()
    world.turn(400 * 86400)
    assert "stale" in world.conditions()
    assert world.runs() == "1.0.0"


def test_a_mirror_that_goes_back_is_refused_and_passed_over(tmp_path: Path, server: StaticServer) -> None:
    tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=NOW)
    publish(server.folder, tuf, 1, "1.0.0")
    old = (server.folder / "latest").read_bytes()
    source = mirror(server.url)
    world = device(tmp_path, tuf, source)
    publish(server.folder, tuf, 2, "1.1.0")
    world.turns(3)
    before = world.frozen()
    (server.folder / "latest").write_bytes(old)
    os.utime(server.folder / "latest", (2_000_000, 2_000_000))
    world.turn()
    assert (world.conditions(), world.agent.outcome()) == ({"trust-refused"}, "refused")
    assert world.frozen() == before
