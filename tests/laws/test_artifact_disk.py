"""Laws of the disk: nothing that a slot or the newest orders need is thrown away, and nothing is fetched without room."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.agent_disk import FilledDiskStore
from fakes.publication import artifact_content, make_manifest
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.artifact_stream import BrokenOffError, Stream
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.adapters.web import Web
from ringtide_agent.ports import SlotName
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import Digest, sha256

RELEASES = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
MANIFESTS = {release: make_manifest(release) for release in RELEASES}
SLOTS: tuple[SlotName, ...] = ("a", "b")

releases = st.sampled_from(RELEASES)


def digests(wanted: Iterator[str] | set[str]) -> set[Digest]:
    return {artifact.sha256 for release in wanted for artifact in MANIFESTS[release].artifacts}


@settings(max_examples=40, deadline=None)
@given(
    slots=st.dictionaries(st.sampled_from(SLOTS), releases),
    ordered=st.sets(releases),
    here=st.sets(releases),
    parts=st.sets(releases),
    active=st.sampled_from((None, *SLOTS)),
)
def test_what_a_slot_or_the_orders_name_outlives_every_collection_and_nothing_else_does(
    slots: Mapping[SlotName, str], ordered: set[str], here: set[str], parts: set[str], active: SlotName | None
) -> None:
    with TemporaryDirectory() as folder:
        store = FilledDiskStore(Path(folder) / "state")
        for release in here | set(slots.values()):
            for artifact in MANIFESTS[release].artifacts:
                store.put_blob(artifact_content(artifact.uris[0].removeprefix("memory:")))
        for slot, release in slots.items():
            store.write_slot("digits", slot, MANIFESTS[release].encode())
        if active in slots:
            store.switch("digits", active)
        for digest in digests(parts):
            if store.blob_path(digest) is None:
                store.blob_partial_path(digest).write_bytes(b"begun")
        whole = {digest for digest in digests(set(RELEASES)) if store.blob_path(digest) is not None}
        begun = {digest for digest in digests(parts) if digest not in whole}
        before = {slot: store.slot("digits", slot) for slot in SLOTS}

        store.collect_garbage(sorted(digests(ordered)))

        again = DiskStore(Path(folder) / "state")
        assert {slot: again.slot("digits", slot) for slot in SLOTS} == before
        needed = digests(ordered) | digests(set(slots.values()))
        for digest in digests(set(RELEASES)):
            assert (again.blob_path(digest) is not None) == (digest in whole & needed)
            assert again.blob_partial_path(digest).exists() == (digest in begun & needed)


class OneSource:
    """Gives a file up to where it breaks off; remembers what it was asked for, and what was set aside by then."""

    def __init__(self, content: bytes, breaks_at: int, path: Path) -> None:
        self._content, self._path, self.breaks_at = content, path, breaks_at
        self.asked: list[int] = []
        self.set_aside: list[int] = []

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:
        self.asked.append(start)
        yield Stream(start=start, total=len(self._content), etag=None, chunks=self._chunks(start))

    def _chunks(self, start: int) -> Iterator[bytes]:
        self.set_aside.append(allocated(self._path))
        for begin in range(start, min(self.breaks_at, len(self._content)), 4096):
            yield self._content[begin : min(begin + 4096, self.breaks_at)]
        if self.breaks_at < len(self._content):
            raise BrokenOffError("cut")


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 200_000),
    breaks_at=st.integers(0, 200_000),
    reserve=st.integers(0, 100_000),
    spare=st.integers(-100_000, -1) | st.integers(8192, 16_384),  # files take whole blocks: not between
)
@example(size=100_000, breaks_at=50_000, reserve=1000, spare=8192)
@example(size=100_000, breaks_at=50_000, reserve=1000, spare=-1)
def test_no_byte_comes_without_room_for_all_of_them_and_what_is_set_aside_is_not_asked_for_twice(
    size: int, breaks_at: int, reserve: int, spare: int
) -> None:
    room = size + reserve + spare
    content = bytes(size)
    artifact = Artifact(name="model.onnx", sha256=sha256(content), size_bytes=size, uris=("x://1",))
    with TemporaryDirectory() as folder:
        store = DiskStore(Path(folder) / "state")
        path = store.blob_partial_path(artifact.sha256)
        source = OneSource(content, breaks_at, path)
        fetcher = ArtifactFetcher(store, sources={"x": source}, reserve_bytes=reserve)
        with patch.object(os, "statvfs", lambda _: SimpleNamespace(f_bavail=room - allocated(path), f_frsize=1)):
            if spare < 0:
                with pytest.raises(TransientError, match="disk full"):
                    fetcher.fetch(artifact, 0)
                assert source.asked == []
                return
            if breaks_at < size:
                with pytest.raises(TransientError, match="cut"):
                    fetcher.fetch(artifact, 0)
                source.breaks_at = size
            fetcher.fetch(artifact, 0)
        assert store.blob_path(artifact.sha256) is not None
    assert source.asked == ([0, breaks_at] if breaks_at < size else [0])
    assert min(source.set_aside) >= size
