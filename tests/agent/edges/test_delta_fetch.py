"""Artifacts made of what the device has: right to the last byte, or fetched whole."""

import logging
import os
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.edges.test_artifact_fetch import Shelf, fetcher, local, shelf, web
from ringtide_agent.adapters import patch_process
from ringtide_agent.adapters.child_process import child_environment
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.adapters.patch_process import PatchError, patch
from ringtide_contract.artifact import PATCH_FROM, Artifact, Delta
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.adapters.zstd_deltas import make_delta

__all__ = ["shelf"]

CHANCE = random.Random(13)
OLD = bytes(CHANCE.choices(range(16), k=600_000))
NEW = OLD[:-2000] + CHANCE.randbytes(3000)
DELTA = make_delta(OLD, NEW)
BASE = sha256(OLD)
OTHER = make_delta(OLD[::-1], NEW)
"""Right for another base."""
PLENTY = 1 << 30


def patchable(uri: str, *delta_uris: str, delta: bytes = DELTA, base: Digest = BASE) -> Artifact:
    one = Delta(base=base, method=PATCH_FROM, sha256=sha256(delta), size_bytes=len(delta), uris=delta_uris)
    return Artifact(name="model.onnx", sha256=sha256(NEW), size_bytes=len(NEW), uris=(uri,), deltas=(one,))


@pytest.fixture
def stocked(shelf: Shelf) -> Shelf:
    """A device that has the base."""
    (shelf.folder / sha256(OLD)).write_bytes(OLD)
    return shelf


def whole(shelf: Shelf) -> bytes:
    return (shelf.folder / sha256(NEW)).read_bytes()


def test_a_device_with_the_base_fetches_the_delta_alone(stocked: Shelf) -> None:
    with web(content=NEW) as source, web(content=DELTA) as deltas:
        fetcher(stocked).fetch(patchable(source.url(), deltas.url()), PLENTY)
    assert (source.seen, deltas.seen) == ([], [""])
    assert whole(stocked) == NEW


def test_a_device_without_the_base_fetches_the_whole(shelf: Shelf) -> None:
    with web(content=NEW) as source, web(content=DELTA) as deltas:
        fetcher(shelf).fetch(patchable(source.url(), deltas.url()), PLENTY)
    assert (source.seen, deltas.seen) == ([""], [])
    assert whole(shelf) == NEW


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (DELTA[:-1], "no source has"),  # another digest than the manifest names: it is never decoded
        (b"x" * len(DELTA), "no source has"),
    ],
)
def test_a_delta_that_its_digest_does_not_name_is_never_decoded(
    stocked: Shelf, tmp_path: Path, given: bytes, said: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(patch_process, "patch", lambda *_: pytest.fail("decoded what nobody has signed"))
    wanted = patchable(local(tmp_path, NEW, "new"), local(tmp_path, given, "delta"))
    with caplog.at_level(logging.WARNING):
        fetcher(stocked).fetch(wanted, PLENTY)
    assert whole(stocked) == NEW
    assert said in caplog.text or "bytes where" in caplog.text


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (OTHER, "ZstdError|something else|maller file|arger file"),
        (b"no delta at all", "ZstdError"),
        (DELTA[: len(DELTA) // 2], "ends before its end|ZstdError"),
        (make_delta(OLD, NEW + b"more"), "larger file"),
        (make_delta(OLD, NEW[:-1]), "smaller file"),
        (make_delta(OLD, bytes(1 << 27)), "too much memory"),
        (make_delta(OLD, NEW[:-1] + bytes([NEW[-1] ^ 1])), "something else"),
        (b"", "No such file"),
    ],
    ids=["wrong base", "garbage", "half", "too long", "too short", "bomb", "another file", "empty"],
)
def test_a_signed_delta_that_makes_something_else_leaves_the_whole(
    tmp_path: Path, delta: bytes, said: str, caplog: Any
) -> None:
    store = DiskStore(tmp_path / "state")
    put(store, OLD)
    wanted = patchable(local(tmp_path, NEW, "new"), local(tmp_path, delta, "delta"), delta=delta)
    with caplog.at_level(logging.WARNING):
        fetcher(store).fetch(wanted, PLENTY)
    assert blob(store) == NEW
    assert "the whole is fetched" in caplog.text
    assert any(pattern in caplog.text for pattern in said.split("|")), caplog.text
    assert leftovers(store, tmp_path) == []


def put(store: DiskStore, content: bytes) -> None:
    part = store.blob_partial_path(sha256(content))
    part.write_bytes(content)
    store.admit_blob(sha256(content), part)


def blob(store: DiskStore) -> bytes:
    path = store.blob_path(sha256(NEW))
    assert path is not None
    return Path(path).read_bytes()


def leftovers(store: DiskStore, tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "state" / "blobs").glob("??/*.*")]


def test_a_base_that_the_disk_has_damaged_since_leaves_the_whole(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "state")
    put(store, OLD)
    path = store.blob_path(sha256(OLD))
    assert path is not None
    Path(path).write_bytes(OLD[:1000] + bytes([OLD[1000] ^ 1]) + OLD[1001:])
    fetcher(store).fetch(patchable(local(tmp_path, NEW, "new"), local(tmp_path, DELTA, "delta")), PLENTY)
    assert blob(store) == NEW
    assert leftovers(store, tmp_path) == []


def test_a_delta_that_would_take_more_memory_than_is_allowed_is_not_even_fetched(stocked: Shelf, caplog: Any) -> None:
    with web(content=NEW) as source, web(content=DELTA) as deltas, caplog.at_level(logging.WARNING):
        fetcher(stocked).fetch(patchable(source.url(), deltas.url()), 20 << 20)
    assert (source.seen, deltas.seen) == ([""], [])
    assert "MiB of memory" in caplog.text


def test_the_process_cannot_take_more_memory_than_the_files_and_some(tmp_path: Path) -> None:
    """A frame that asks for a window of two gigabytes is refused, whoever has signed it."""
    if shutil.which("zstd") is None:
        pytest.skip("the Debian package zstd is not installed: nobody to make a vast window")
    command = ["zstd", "-q", "--long=31", "--no-check", "-c", "-"]
    vast = subprocess.run(command, input=bytes(1 << 24), capture_output=True, check=True, timeout=60).stdout
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "delta").write_bytes(vast)
    with pytest.raises(PatchError):
        patch(tmp_path / "old", tmp_path / "delta", tmp_path / "made", len(NEW), lambda: None)
    assert (tmp_path / "made").stat().st_size <= len(NEW)


def test_the_process_reads_its_delta_within_limits(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(OLD)
    arguments = (str(tmp_path / "old"), str(len(NEW)), str(os.getpid()))
    command = [sys.executable, "-P", "-m", "ringtide_agent.adapters.patch_child", *arguments]
    wanted = {"Max file size": str(len(NEW)), "Max core file size": "0", "Max cpu time": "300"}
    end, found = time.monotonic() + 30, ""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=child_environment()
    ) as process:
        while not found and time.monotonic() < end:
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            has = dict(re.findall(r"(?m)^(Max [a-z ]+?)  +(\S+)", limits))
            if wanted.items() <= has.items():
                found = Path(f"/proc/{process.pid}/status").read_text()
                room = int(has["Max address space"]) - 1024 * int(re.findall(r"VmSize:\s+(\d+)", found)[0])
        process.kill()
    assert "NoNewPrivs:\t1" in found
    assert room <= patch_process.memory_bytes(len(OLD), len(NEW))


def test_a_delta_that_broke_off_is_awaited_and_resumed(stocked: Shelf) -> None:
    with web(content=NEW) as source, web(content=DELTA, cut_after=1000) as deltas:
        wanted = patchable(source.url(), deltas.url())
        with pytest.raises(TransientError):
            fetcher(stocked).fetch(wanted, PLENTY)
        assert source.seen == []
        deltas.cut_after = None
        fetcher(stocked).fetch(wanted, PLENTY)
        assert (source.seen, deltas.seen) == ([], ["", "bytes=1000-"])
    assert whole(stocked) == NEW


def test_a_delta_that_trickles_does_not_keep_the_whole_away(stocked: Shelf) -> None:
    with web(content=NEW) as source, web(content=DELTA, cut_after=10) as deltas:
        mine, wanted = fetcher(stocked), patchable(source.url(), deltas.url())
        for _ in range(3):
            with pytest.raises(TransientError):
                mine.fetch(wanted, PLENTY)
        mine.fetch(wanted, PLENTY)
        assert source.seen == [""]
    assert whole(stocked) == NEW


def test_a_delta_that_no_source_has_leaves_the_whole_at_once(stocked: Shelf) -> None:
    with web(content=NEW) as source, web(status=404) as deltas:
        fetcher(stocked).fetch(patchable(source.url(), deltas.url()), PLENTY)
    assert (source.seen, deltas.seen) == ([""], [""])


def test_what_has_nearly_come_whole_goes_on_whole(stocked: Shelf) -> None:
    stocked.blob_partial_path(sha256(NEW)).write_bytes(NEW[:-100])
    with web(content=NEW) as source, web(content=DELTA) as deltas:
        fetcher(stocked).fetch(patchable(source.url(), deltas.url()), PLENTY)
    assert (source.seen, deltas.seen) == ([f"bytes={len(NEW) - 100}-"], [])


def test_no_room_for_the_delta_and_the_file_leaves_the_whole_to_say_so(stocked: Shelf, tmp_path: Path) -> None:
    wanted = patchable(local(tmp_path, NEW, "new"), local(tmp_path, DELTA, "delta"))
    with pytest.raises(TransientError, match="disk full"):
        fetcher(stocked, reserve_bytes=1 << 60).fetch(wanted, PLENTY)
    assert sorted(path.name for path in stocked.folder.iterdir()) == [sha256(OLD)]


def instead_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Start the applying process by a script, with the arguments of the real one."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_disk_that_fills_up_while_a_delta_is_applied_leaves_the_whole(
    stocked: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    instead_of_python(tmp_path, monkeypatch, f'exec {sys.executable} "$@" > /dev/full')
    with caplog.at_level(logging.WARNING):
        fetcher(stocked).fetch(patchable(local(tmp_path, NEW, "new"), local(tmp_path, DELTA, "delta")), PLENTY)
    assert whole(stocked) == NEW
    assert "No space left on device" in caplog.text


@settings(deadline=None, max_examples=12)
@given(cut=st.integers(0, len(NEW)), right=st.booleans())
def test_whatever_a_killed_application_left_the_next_one_is_right(
    cut: int, right: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A kill while a delta is applied leaves any beginning of the file, or what was there before it was written."""
    folder = tmp_path_factory.mktemp("killed")
    store = DiskStore(folder / "state")
    put(store, OLD)
    part = store.blob_partial_path(sha256(NEW))
    part.with_suffix(".patched").write_bytes(NEW[:cut] if right else bytes(cut))
    part.with_suffix(".delta").write_bytes(DELTA)
    with web(content=NEW) as source:
        fetcher(store).fetch(patchable(source.url(), "file:///nowhere/x"), PLENTY)
        assert source.seen == []
    assert blob(store) == NEW
    assert leftovers(store, folder) == []


def test_a_kill_of_the_applying_process_leaves_the_whole(
    stocked: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_python(tmp_path, monkeypatch, "kill -KILL $$")
    fetcher(stocked).fetch(patchable(local(tmp_path, NEW, "new"), local(tmp_path, DELTA, "delta")), PLENTY)
    assert whole(stocked) == NEW


def test_an_application_that_nobody_waits_for_any_more_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_python(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid\nexec sleep 60")
    (tmp_path / "delta").write_bytes(DELTA)

    def left() -> None:
        raise TransientError("nobody asks for it any more")

    with pytest.raises(TransientError, match="nobody asks"):
        patch(tmp_path / "old", tmp_path / "delta", tmp_path / "made", 1, left)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_an_orphan_writes_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "delta").write_bytes(DELTA)
    with (tmp_path / "made").open("wb") as orphan:
        patch(tmp_path / "old", tmp_path / "delta", tmp_path / "made", len(NEW), lambda: None)
        orphan.write(b"x" * 100)
    assert (tmp_path / "made").read_bytes() == NEW


def test_an_unsigned_whole_after_a_useless_delta_is_still_refused(stocked: Shelf, tmp_path: Path) -> None:
    wanted = patchable(local(tmp_path, NEW[::-1], "new"), local(tmp_path, b"x", "delta"))
    with pytest.raises(TrustError):
        fetcher(stocked).fetch(wanted, PLENTY)
    assert stocked.admitted == []


def test_a_method_of_tomorrow_is_passed_over(stocked: Shelf, tmp_path: Path) -> None:
    wanted = patchable(local(tmp_path, NEW, "new"), local(tmp_path, DELTA, "delta"))
    fetcher(stocked).fetch(replace(wanted, deltas=(replace(wanted.deltas[0], method="xor-planes"),)), PLENTY)
    assert whole(stocked) == NEW


def test_garbage_collection_keeps_what_is_gathered_and_removes_what_is_over(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "state")
    part = store.blob_partial_path(sha256(NEW))
    kinds = (".part", ".chunks", ".delta", ".patched")
    for kind in kinds:
        part.with_suffix(kind).write_bytes(b"x")
    store.collect_garbage([sha256(NEW)])
    assert sorted(leftovers(store, tmp_path)) == sorted(sha256(NEW) + kind for kind in kinds)
    (part.parent / sha256(NEW)).write_bytes(NEW)
    store.collect_garbage([sha256(NEW)])
    assert leftovers(store, tmp_path) == []
    for kind in kinds:
        part.with_suffix(kind).write_bytes(b"x")
    store.collect_garbage([])
    assert list(part.parent.iterdir()) == []
