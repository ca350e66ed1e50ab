"""Both stores keep the promises of the port; the one on disk keeps them against damage too."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.agent_disk import FilledDiskStore
from fakes.agent_store import MemoryStore
from fakes.publication import artifact_content, make_manifest
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")
Store = MemoryStore | FilledDiskStore


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FilledDiskStore(tmp_path / "state")


@pytest.fixture
def disk(tmp_path: Path) -> Callable[[], FilledDiskStore]:
    return lambda: FilledDiskStore(tmp_path / "state")


def fill(store: Store, release: str) -> None:
    for name in ("model.onnx", "golden.json"):
        store.put_blob(artifact_content(f"digits-{release}-{name}"))


def test_an_empty_store_knows_nothing(store: Store) -> None:
    assert store.load_floor() == GROUND
    assert store.load_journal("orders") is None
    assert store.models() == ()
    assert (store.slot("digits", "a"), store.active_slot("digits")) == (None, None)


def test_floor_and_journal_come_back(store: Store) -> None:
    floor = Floor(epoch=2, generation=9, payload=Digest("a" * 64))
    store.save_floor(floor)
    store.save_journal("orders", b"{}")
    store.save_journal("orders", b'{"a":1}')
    assert store.load_floor() == floor
    assert store.load_journal("orders") == b'{"a":1}'


def test_a_slot_needs_its_artifacts(store: Store) -> None:
    with pytest.raises(TransientError):
        store.write_slot("digits", "a", ONE.encode())
    assert store.slot("digits", "a") is None


def test_a_written_slot_can_be_switched_to_and_holds_what_was_written(store: Store) -> None:
    fill(store, "1.0.0")
    store.write_slot("digits", "a", ONE.encode())
    assert store.active_slot("digits") is None
    store.switch("digits", "a")
    content = store.slot("digits", "a")
    assert content is not None
    assert (content.manifest, content.digest) == (ONE, sha256(ONE.encode()))
    assert (store.active_slot("digits"), store.models()) == ("a", ("digits",))


def test_the_active_slot_is_never_replaced(store: Store) -> None:
    fill(store, "1.0.0")
    store.write_slot("digits", "a", ONE.encode())
    store.switch("digits", "a")
    with pytest.raises(InputError, match="active"):
        store.write_slot("digits", "a", ONE.encode())


def test_nothing_switches_to_an_empty_slot(store: Store) -> None:
    with pytest.raises(InputError, match="not whole"):
        store.switch("digits", "b")
    assert store.active_slot("digits") is None


def test_removal_takes_the_slots_too_and_may_be_repeated(store: Store) -> None:
    fill(store, "1.0.0")
    store.write_slot("digits", "a", ONE.encode())
    store.switch("digits", "a")
    store.switch("digits", None)
    store.switch("digits", None)
    assert (store.active_slot("digits"), store.slot("digits", "a")) == (None, None)


def test_garbage_is_what_neither_a_slot_nor_the_caller_names(store: Store) -> None:
    for release in ("1.0.0", "1.1.0", "1.2.0"):
        fill(store, release)
    store.write_slot("digits", "a", ONE.encode())
    store.collect_garbage([artifact.sha256 for artifact in TWO.artifacts])
    kept = [*ONE.artifacts, *TWO.artifacts]
    assert all(store.blob_path(artifact.sha256) for artifact in kept)
    assert not any(store.blob_path(artifact.sha256) for artifact in make_manifest("1.2.0").artifacts)


def test_a_disk_remembers_over_restarts(disk: Callable[[], FilledDiskStore]) -> None:
    first = disk()
    fill(first, "1.0.0")
    first.write_slot("digits", "b", ONE.encode())
    first.switch("digits", "b")
    again = disk()
    content = again.slot("digits", "b")
    assert again.active_slot("digits") == "b"
    assert content is not None
    assert content.manifest == ONE


@pytest.mark.parametrize("name", ["model.onnx", "golden.json"])
def test_a_damaged_blob_empties_its_slot_and_is_thrown_away(disk: Callable[[], FilledDiskStore], name: str) -> None:
    first = disk()
    fill(first, "1.0.0")
    first.write_slot("digits", "a", ONE.encode())
    path = Path(first.blob_path(ONE.artifact(name).sha256) or "")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    again = disk()
    assert again.slot("digits", "a") is None
    assert not path.exists()


def test_what_is_not_as_it_was_written_is_told_and_what_was_never_finished_is_not(
    disk: Callable[[], FilledDiskStore], tmp_path: Path
) -> None:
    first = disk()
    fill(first, "1.0.0")
    fill(first, "1.1.0")
    first.write_slot("digits", "a", ONE.encode())
    first.switch("digits", "a")
    first.write_slot("digits", "b", ONE.encode())
    folder = tmp_path / "state" / "models" / "digits"
    (folder / "b" / "digest").unlink()  # as a kill leaves it between the two files
    torn = disk()
    assert (torn.slot("digits", "b"), torn.damage()) == (None, ())
    torn.write_slot("digits", "b", TWO.encode())
    assert torn.damage() == ()
    (folder / "b" / "manifest.json").write_bytes(ONE.encode())
    (folder / "active").write_bytes(b"c")
    blob = Path(first.blob_path(ONE.artifacts[0].sha256) or "")
    blob.write_bytes(b"?")
    worn = disk()
    assert (worn.active_slot("digits"), worn.slot("digits", "a"), worn.slot("digits", "b")) == (None, None, None)
    assert worn.damage() == (
        "digits does not say which slot is active",
        f"blob {ONE.artifacts[0].sha256[:12]} was not what its name says",
        "slot a of digits is not what was written",
        "slot b of digits is not what was written",
    )


def test_a_file_that_cannot_be_read_is_damaged_and_what_stands_beside_it_is_not(
    disk: Callable[[], FilledDiskStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = disk()
    for release, manifest, slot in (("1.0.0", ONE, "a"), ("1.1.0", TWO, "b")):
        fill(first, release)
        first.write_slot("digits", slot, manifest.encode())  # type: ignore[arg-type]
    first.switch("digits", "b")
    first.save_journal("orders", b"{}")
    bad = {Path(first.blob_path(TWO.artifacts[0].sha256) or ""), tmp_path / "state" / "journal" / "orders.json"}
    bad.add(tmp_path / "state" / "format")
    opened = Path.open

    def open_or_fail(path: Path, *arguments: object, **options: object) -> object:
        if path in bad:
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_or_fail)
    worn = disk()
    with worn.hold():
        assert (worn.active_slot("digits"), worn.slot("digits", "b")) == ("b", None)
        assert worn.slot("digits", "a") is not None
        with pytest.raises(InputError, match="cannot be read"):
            worn.load_journal("orders")
    bad.clear()
    bad.add(tmp_path / "state" / "models" / "digits" / "active")
    assert disk().active_slot("digits") is None


@pytest.mark.parametrize("file", ["manifest.json", "digest"])
def test_a_slot_whose_two_files_differ_is_empty(disk: Callable[[], FilledDiskStore], file: str, tmp_path: Path) -> None:
    first = disk()
    fill(first, "1.0.0")
    first.write_slot("digits", "a", ONE.encode())
    path = tmp_path / "state" / "models" / "digits" / "a" / file
    path.write_bytes(path.read_bytes() + b" ")
    assert disk().slot("digits", "a") is None


def test_a_damaged_floor_is_an_error_and_not_the_ground(disk: Callable[[], FilledDiskStore], tmp_path: Path) -> None:
    disk().save_floor(Floor(epoch=1, generation=4, payload=None))
    (tmp_path / "state" / "floor.json").write_bytes(b"")
    with pytest.raises(InputError):
        disk().load_floor()


def test_only_the_named_content_becomes_a_blob(disk: Callable[[], FilledDiskStore]) -> None:
    store, digest = disk(), sha256(b"wanted")
    partial = store.blob_partial_path(digest)
    partial.write_bytes(b"other")
    with pytest.raises(TrustError, match="BLOB-DIGEST"):
        store.admit_blob(digest, partial)
    assert store.blob_path(digest) is None
    assert not partial.exists()


def test_nobody_else_may_read_the_state(disk: Callable[[], FilledDiskStore], tmp_path: Path) -> None:
    store = disk()
    fill(store, "1.0.0")
    store.write_slot("digits", "a", ONE.encode())
    store.save_floor(Floor(epoch=1, generation=1, payload=None))
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("name", ["../floor", "a/b", "", ".hidden", "A"])
def test_names_cannot_leave_their_folder(disk: Callable[[], FilledDiskStore], name: str) -> None:
    with pytest.raises(InputError):
        disk().save_journal(name, b"")
    with pytest.raises(InputError):
        disk().active_slot(name)


def test_an_endless_journal_entry_is_not_read(
    disk: Callable[[], FilledDiskStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringtide_agent.adapters.disk_store.MAX_JOURNAL_BYTES", 100)
    disk().save_journal("orders", b"x" * 101)
    with pytest.raises(InputError, match="larger than 100"):
        disk().load_journal("orders")


def test_a_read_only_disk_can_be_held_too(disk: Callable[[], FilledDiskStore], monkeypatch: pytest.MonkeyPatch) -> None:
    with disk().hold():
        pass
    opened = os.open

    def open_to_read(path: Path, flags: int, *arguments: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *arguments)

    monkeypatch.setattr(os, "open", open_to_read)
    with disk().hold(), pytest.raises(InputError, match="another agent"), disk().hold():
        pass


def test_a_second_agent_is_kept_away(disk: Callable[[], FilledDiskStore]) -> None:
    with disk().hold(), pytest.raises(InputError, match="another agent"), disk().hold():
        pass
    with disk().hold():
        pass
