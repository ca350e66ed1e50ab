"""Artifacts say what spares a device their bytes; what a reader cannot use costs it nothing but the bytes."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.artifact import (
    CHUNK_BYTES,
    Artifact,
    Delta,
    chunk_list_bytes,
    read_chunk_list,
    write_chunk_list,
)
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Manifest
from vectors import samples
from vectors.loader import Vector, bad, good

BASE = samples.STABLE.artifacts[0].sha256
OFFERED = samples.offers("gauge", BASE)


@pytest.mark.parametrize("vector", good("artifact"))
def test_artifact_is_written_as_it_was_read(vector: Vector) -> None:
    assert encode(Artifact.from_dict(decode(vector.content, limit=65536)).to_dict()) == vector.content


@pytest.mark.parametrize("vector", bad("artifact"))
def test_bad_artifact_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Artifact.from_dict(decode(vector.content, limit=65536))
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_an_artifact_without_offers_keeps_the_bytes_that_older_engines_wrote() -> None:
    plain = replace(OFFERED, chunks=None, deltas=())
    assert plain.to_dict().keys() == {"name", "sha256", "size", "uris"}


def test_a_reader_of_the_four_old_members_finds_all_it_needs() -> None:
    """An agent of before takes the whole: it reads these members, by these names, and passes over all others."""
    entry = OFFERED.to_dict()
    assert (entry["name"], entry["sha256"], entry["size"]) == ("model.onnx", sha256(samples.LARGE), len(samples.LARGE))
    assert entry["uris"] == [f"https://models.example/{sha256(samples.LARGE)}"]


def test_a_manifest_carries_the_offers() -> None:
    manifest = replace(samples.CANDIDATE, artifacts=(OFFERED, samples.CANDIDATE.artifacts[1]))
    assert Manifest.decode(manifest.encode()) == manifest


def test_the_smallest_usable_delta_is_chosen() -> None:
    def delta(size: int, *, base: Digest = BASE, method: str = "zstd-patch-from") -> Delta:
        return replace(OFFERED.deltas[0], size_bytes=size, base=base, method=method, sha256=sha256(f"{size}".encode()))

    other = sha256(b"another base")
    several = replace(OFFERED, deltas=(delta(9), delta(7), delta(3, base=other), delta(1, method="xor-planes")))
    assert several.delta_from({BASE}) == delta(7)
    assert several.delta_from({BASE, other}) == delta(3, base=other)
    assert several.delta_from(set()) is None
    assert replace(OFFERED, deltas=(delta(OFFERED.size_bytes),)).delta_from({BASE}) is None


def test_the_bytes_to_fetch_are_those_of_the_delta_or_of_the_whole_with_its_list() -> None:
    assert OFFERED.fetch_bytes({OFFERED.sha256, BASE}) == 0
    assert OFFERED.fetch_bytes({BASE}) == 2445
    assert OFFERED.fetch_bytes(set()) == len(samples.LARGE) + 3 * 32
    assert replace(OFFERED, chunks=None).fetch_bytes(set()) == len(samples.LARGE)


@pytest.mark.parametrize("vector", good("chunk-list"))
def test_a_chunk_list_has_a_digest_for_each_piece(vector: Vector) -> None:
    size = vector.facts["size"]
    digests = read_chunk_list(vector.content, size)
    assert "".join(digests) == vector.content.hex()
    assert len(vector.content) == chunk_list_bytes(size)


@given(st.integers(0, 3 * CHUNK_BYTES), st.integers(-64, 64))
def test_a_chunk_list_of_another_length_is_refused(size: int, more: int) -> None:
    content = bytes(max(0, chunk_list_bytes(size) + more))
    if len(content) == chunk_list_bytes(size):
        assert len(read_chunk_list(content, size)) == -(-size // CHUNK_BYTES)
    else:
        with pytest.raises(InputError, match="chunk list"):
            read_chunk_list(content, size)


def test_the_pieces_of_a_chunk_list_are_a_mebibyte_each() -> None:
    first, second, last = read_chunk_list(write_chunk_list(samples.LARGE), len(samples.LARGE))
    assert first == second == hashlib.sha256(samples.LARGE[:CHUNK_BYTES]).hexdigest()
    assert last == sha256(b"end")
