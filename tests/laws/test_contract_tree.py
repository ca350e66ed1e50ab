"""Laws of the tree: every leaf proves itself and nothing else, tiles say what leaves say, shards keep their size."""

import hashlib
import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringtide_contract.errors import TrustError
from ringtide_contract.tree import (
    catalog_path,
    check_inclusion,
    device_prefix,
    inclusion_proof,
    inclusion_proof_from_tiles,
    index_path,
    make_tiles,
    root_hash,
    shard_bits,
    tile_path,
)

SIZES = st.one_of(st.integers(1, 70), st.sampled_from([127, 128, 129, 255, 256, 257, 272, 273, 600]))


def leaves_of(size: int) -> list[bytes]:
    return [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(size)]


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word; the leaves are hashed already."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@given(SIZES)
def test_the_root_is_the_recursion_of_rfc_6962(size: int) -> None:
    assert root_hash(leaves_of(size)) == recursive_root(leaves_of(size))


@given(SIZES, st.data())
def test_every_leaf_proves_itself_from_leaves_and_from_tiles(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    proof, tiles = inclusion_proof(leaves, index), make_tiles(leaves)
    read: list[str] = []

    def read_tile(level: int, number: int) -> bytes:
        read.append(tile_path(level, number))
        return tiles[read[-1]]

    assert inclusion_proof_from_tiles(read_tile, size, index) == proof
    check_inclusion(leaves[index], index, size, proof, root_hash(leaves))
    assert len(read) <= 2 * size.bit_length(), "the number of reads grows with the logarithm"
    assert all(len(content) <= 512 for content in tiles.values())


@given(SIZES, st.data())
def test_a_proof_holds_for_one_leaf_place_size_and_root_only(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), root_hash(leaves)
    other_place = data.draw(st.integers(-1, size + 1))
    wrong = hashlib.sha256(b"wrong").digest()
    attempts = [(wrong, index, size, proof, root), (leaves[index], index, size, proof, wrong)]
    attempts += [(leaves[index], index, size, (*proof, wrong), root)]
    if other_place != index:
        attempts += [(leaves[index], other_place, size, proof, root)]
    if proof:
        changed = data.draw(st.integers(0, len(proof) - 1))
        attempts += [(leaves[index], index, size, (*proof[:changed], wrong, *proof[changed + 1 :]), root)]
        attempts += [(leaves[index], index, size, proof[:-1], root)]
    for attempt in attempts:
        with pytest.raises(TrustError):
            check_inclusion(*attempt)


@given(SIZES, SIZES, st.data())
def test_a_proof_of_a_smaller_tree_fails_in_a_larger_one(one: int, other: int, data: st.DataObject) -> None:
    assume(one != other)
    small, large = sorted((one, other))
    index = data.draw(st.integers(0, small - 1))
    proof = inclusion_proof(leaves_of(small), index)
    with pytest.raises(TrustError):
        check_inclusion(leaves_of(small)[index], index, large, proof, root_hash(leaves_of(large)))


@given(SIZES, st.data())
def test_a_changed_leaf_changes_one_tile_a_level(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    before = make_tiles(leaves)
    after = make_tiles([*leaves[:index], hashlib.sha256(b"new").digest(), *leaves[index + 1 :]])
    assert before.keys() == after.keys()
    changed = [path for path in before if before[path] != after[path]]
    assert len({path.split("/")[1] for path in changed}) == len(changed)
    assert tile_path(0, index >> 4) in changed


@given(st.integers(0, 24), st.data())
def test_every_shard_has_a_path_of_its_own_in_folders_of_at_most_256(bits: int, data: st.DataObject) -> None:
    one, other = (data.draw(st.integers(0, (1 << bits) - 1)) for _ in range(2))
    for path in (index_path, catalog_path):
        assert (path(bits, one) == path(bits, other)) is (one == other)
        assert all(len(part.removesuffix(".json")) <= 2 for part in path(bits, one).split("/")[1:])


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True), st.integers(0, 23))
def test_a_finer_prefix_refines_the_coarser_one(device: str, bits: int) -> None:
    assert device_prefix(device, bits + 1) >> 1 == device_prefix(device, bits)
    assert 0 <= device_prefix(device, bits) < 1 << bits


@given(st.integers(0, 10_000_000))
def test_a_fresh_tree_has_at_most_64_entries_a_shard_on_average_and_above_32(entries: int) -> None:
    bits = shard_bits(entries)
    assert entries <= 64 << bits
    assert bits == 0 or entries > 32 << bits


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=30))
def test_shards_keep_between_16_and_128_entries_on_average(counts: list[int]) -> None:
    bits: int | None = None
    for entries in counts:
        bits = shard_bits(entries, bits)
        assert entries <= 128 << bits
        assert bits == 0 or entries > 16 << bits


@given(st.integers(0, 5_000_000), st.integers(0, 24))
def test_the_bits_settle_at_once(entries: int, current: int) -> None:
    bits = shard_bits(entries, current)
    assert shard_bits(entries, bits) == bits


@given(st.integers(1, 5_000_000), st.integers(0, 24), st.lists(st.floats(1, 2), min_size=2, max_size=30))
def test_a_fleet_that_hovers_renames_its_shards_at_most_once(least: int, current: int, moods: list[float]) -> None:
    """Whatever bits are in force: counts within a factor of two never pass both borders, which lie eight apart."""
    seen = [current]
    for mood in moods:
        seen.append(shard_bits(int(least * mood), seen[-1]))
    assert sum(one != other for one, other in itertools.pairwise(seen)) <= 1
