"""The tree: known answers of RFC 6962, golden roots, audit paths and tiles."""

import pytest

from ringtide_contract.errors import TrustError
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.tree import (
    catalog_path,
    check_inclusion,
    class_path,
    class_prefix,
    device_prefix,
    inclusion_proof,
    inclusion_proof_from_tiles,
    index_path,
    leaf_hash,
    make_tiles,
    manifest_path,
    node_hash,
    root_hash,
    shard_bits,
    tile_path,
)
from vectors import samples
from vectors.cases_numbers import sample_leaves
from vectors.loader import Vector, good


@pytest.mark.parametrize("vector", good("rfc6962"))
def test_root_is_the_known_answer_of_rfc_6962(vector: Vector) -> None:
    leaves = [bytes.fromhex(sha256(b"\x00" + bytes.fromhex(text))) for text in vector.facts["inputs"]]
    assert root_hash(leaves) == vector.content


@pytest.mark.parametrize("vector", good("tree"))
def test_golden_tree(vector: Vector) -> None:
    size = vector.facts["size"]
    leaves = sample_leaves(size)
    assert root_hash(leaves) == vector.content
    tiles = make_tiles(leaves)
    if vector.facts["tiles"]:
        assert {path: sha256(content) for path, content in tiles.items()} == vector.facts["tiles"]
    for index, path in vector.facts["proofs"].items():
        proof = tuple(bytes.fromhex(node) for node in path)
        assert inclusion_proof(leaves, int(index)) == proof
        read = inclusion_proof_from_tiles(lambda level, number: tiles[tile_path(level, number)], size, int(index))
        assert read == proof
        check_inclusion(leaves[int(index)], int(index), size, proof, vector.content)


@pytest.mark.parametrize("vector", good("leaf"))
def test_golden_leaf_and_node(vector: Vector) -> None:
    facts = vector.facts
    if "path" in facts:
        assert leaf_hash(facts["path"], facts["digest"]) == vector.content
    else:
        assert node_hash(bytes.fromhex(facts["left"]), bytes.fromhex(facts["right"])) == vector.content


@pytest.mark.parametrize("vector", good("paths"))
def test_golden_paths(vector: Vector) -> None:
    match vector.name.split("-")[0], vector.facts:
        case "index", {"bits": bits, "prefix": prefix}:
            path = index_path(bits, prefix)
        case "catalog", {"bits": bits, "prefix": prefix}:
            path = catalog_path(bits, prefix)
        case "tile", {"level": level, "number": number}:
            path = tile_path(level, number)
        case "class", {"class": class_id, "model": model}:
            path = class_path(class_id, model)
        case _, {"digest": digest}:
            path = manifest_path(Digest(digest))
        case unknown:
            pytest.fail(f"no check for {unknown}")
    assert path.encode() == vector.content


@pytest.mark.parametrize("vector", good("prefixes"))
def test_golden_prefixes(vector: Vector) -> None:
    text = vector.content.decode()
    match vector.facts:
        case {"bits": bits, "prefix": prefix}:
            assert device_prefix(DeviceId(text), bits) == prefix
        case {"bits": bits, "classPrefix": prefix}:
            assert class_prefix(text, bits) == prefix
        case {"shardBits": bits}:
            assert shard_bits(int(text)) == bits
        case facts:
            pytest.fail(f"no check for {facts}")


def test_a_leaf_is_never_an_inner_node() -> None:
    """RFC 6962 section 2.1: the first byte parts the two, or a node could pass for a leaf."""
    left, right = sample_leaves(2)
    assert node_hash(left, right) != bytes.fromhex(sha256(left + right))
    assert node_hash(left, right) != bytes.fromhex(sha256(b"\x00" + left + right))
    assert node_hash(left, right) != node_hash(right, left)


def test_a_leaf_binds_path_and_content() -> None:
    digest, other = sha256(b"a"), sha256(b"b")
    assert len({leaf_hash("p", digest), leaf_hash("q", digest), leaf_hash("p", other)}) == 3


@pytest.mark.parametrize("index", [-1, 7, 8, 2**70])
def test_a_place_outside_the_tree_is_refused(index: int) -> None:
    leaves = sample_leaves(7)
    with pytest.raises(TrustError) as caught:
        check_inclusion(leaves[0], index, 7, inclusion_proof(leaves, 0), root_hash(leaves))
    assert caught.value.rule == "TREE-INDEX"


def test_an_audit_path_with_a_node_too_many_or_too_few_is_refused() -> None:
    leaves = sample_leaves(7)
    proof, root = inclusion_proof(leaves, 3), root_hash(leaves)
    for wrong in (proof[:-1], proof[1:], (*proof, proof[0]), (), proof[::-1]):
        with pytest.raises(TrustError) as caught:
            check_inclusion(leaves[3], 3, 7, wrong, root)
        assert caught.value.rule == "TREE-PROOF"


def test_a_tile_keeps_only_hashes_of_complete_subtrees() -> None:
    tiles = make_tiles(sample_leaves(33))
    assert sorted(tiles) == ["tiles/0/0000/00", "tiles/0/0000/01", "tiles/0/0000/02", "tiles/1/0000/00"]
    assert [len(tiles[path]) // 32 for path in sorted(tiles)] == [16, 16, 1, 2]


def test_a_short_tile_is_refused() -> None:
    leaves = sample_leaves(33)
    tiles = make_tiles(leaves)
    with pytest.raises(TrustError) as caught:
        inclusion_proof_from_tiles(lambda level, number: tiles[tile_path(level, number)][:-32], 33, 0)
    assert caught.value.rule == "TREE-TILE"


def test_the_sample_tree_has_its_leaves_at_their_places() -> None:
    tree = samples.compile_tree()
    paths = [index_path(2, prefix) for prefix in range(4)] + [catalog_path(1, prefix) for prefix in range(2)]
    leaves = [leaf_hash(path, sha256(tree.files[path])) for path in (*paths, "quarantine.json")]
    assert root_hash(leaves).hex() == tree.head.root


@pytest.mark.parametrize(("real", "claimed"), [(8, 4), (4, 8)])
def test_a_path_to_the_right_root_is_refused_where_its_length_is_not_that_of_the_size(real: int, claimed: int) -> None:
    leaves = sample_leaves(real)
    with pytest.raises(TrustError) as caught:
        check_inclusion(leaves[1], 1, claimed, inclusion_proof(leaves, 1), root_hash(leaves))
    assert caught.value.rule == "TREE-PROOF"


def test_a_path_that_goes_on_above_the_root_of_the_size_is_refused() -> None:
    leaves = sample_leaves(4)
    above = sha256(b"above").encode()[:32]
    longer = (*inclusion_proof(leaves, 1), above)
    with pytest.raises(TrustError, match="the audit path is too long"):
        check_inclusion(leaves[1], 1, 4, longer, node_hash(above, root_hash(leaves)))
