"""The Merkle tree over a publication: RFC 6962 hashing, audit paths, and static tiles to build them from.

Leaves stand at known places, so a device finds its own without a listing and an empty one proves absence:

| leaves | file | place |
| --- | --- | --- |
| `2^index_bits` | `index/….json` | the first `index_bits` bits of SHA-256(device id) |
| `2^catalog_bits` | `catalog/….json` | after the index, the first `catalog_bits` bits of the class id |
| 1 | `quarantine.json` | last |

Class files are named by digest in the catalog, manifests by digest in class files: content-addressed, they need no
leaf. A tile holds the 16 hashes under one node, so a changed leaf changes one small file a level.
"""

import hashlib
from collections.abc import Callable, Sequence

from ringtide_contract.canonical import encode
from ringtide_contract.errors import TrustError
from ringtide_contract.ids import Digest, sha256

TILE_HEIGHT = 4
"""Levels per tile: 16 hashes, 512 bytes."""

MAX_PREFIX_BITS = 24
"""16 million shards; a head that asks for more is hostile."""

QUARANTINE_PATH = "quarantine.json"
HEAD_PATH = "head.json"

ReadTile = Callable[[int, int], bytes]
"""(tile level, tile number) -> its hashes, 32 bytes each; the reader bounds the size."""


def leaf_hash(path: str, digest: Digest) -> bytes:
    """Hash a leaf: SHA-256(0x00 || canonical {"path", "sha256"}) (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + encode({"path": path, "sha256": digest})).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: SHA-256(0x01 || left || right) (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes (RFC 6962 section 2.1); of none it is SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    stack: list[tuple[int, bytes]] = []
    for leaf in leaves:
        size, digest = 1, leaf
        while stack and stack[-1][0] == size:
            digest = node_hash(stack.pop()[1], digest)
            size *= 2
        stack.append((size, digest))
    digest = stack.pop()[1]
    while stack:
        digest = node_hash(stack.pop()[1], digest)
    return digest


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index`, from the leaf upwards (RFC 6962 section 2.1.1)."""
    return _proof(index, 0, len(leaves), lambda low, high: root_hash(leaves[low:high]))


def inclusion_proof_from_tiles(read_tile: ReadTile, size: int, index: int) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index` in a tree of `size` leaves, reading only the tiles it needs.

    Raises:
        TrustError: A tile is too short for the tree it belongs to.
    """
    return _proof(index, 0, size, lambda low, high: _hash_from_tiles(read_tile, low, high))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an audit path (RFC 9162 section 2.1.3.2).

    Raises:
        TrustError: The leaf at `index` is not in the tree of `size` leaves under `root`.
    """
    if not 0 <= index < size:
        raise TrustError("TREE-INDEX", f"leaf {index} cannot be in a tree of {size} leaves")
    fn, sn, digest = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise TrustError("TREE-PROOF", "the audit path is too long")
        if fn & 1 or fn == sn:
            digest = node_hash(sibling, digest)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            digest = node_hash(digest, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or digest != root:
        raise TrustError("TREE-PROOF", "the audit path does not lead to the signed root")


def make_tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Return every tile of a tree by path; a tile keeps only hashes of complete subtrees."""
    tiles: dict[str, bytes] = {}
    hashes, level = list(leaves), 0
    width = 1 << TILE_HEIGHT
    while hashes:
        for number in range((len(hashes) + width - 1) // width):
            tiles[tile_path(level, number)] = b"".join(hashes[number * width : (number + 1) * width])
        for _ in range(TILE_HEIGHT):
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        level += 1
    return tiles


def tile_path(level: int, number: int) -> str:
    """Return where tile `number` of `level` lies; at most 256 tiles share a folder."""
    return f"tiles/{level}/{number >> 8:04x}/{number & 0xFF:02x}"


def index_path(bits: int, prefix: int) -> str:
    """Return the path of index shard `prefix` of `2^bits`."""
    return f"index/{_spread(bits, prefix)}.json"


def catalog_path(bits: int, prefix: int) -> str:
    """Return the path of catalog shard `prefix` of `2^bits`."""
    return f"catalog/{_spread(bits, prefix)}.json"


def class_path(class_id: str, model: str) -> str:
    """Return the path of the class file for one class and model."""
    return f"classes/{class_id[:2]}/{class_id}/{model}.json"


def manifest_path(digest: Digest) -> str:
    """Return the path of a manifest."""
    return f"manifests/{digest[:2]}/{digest}.json"


def device_prefix(device: str, bits: int) -> int:
    """Return the index shard of a device: the first `bits` bits of SHA-256(id)."""
    return _first_bits(sha256(device.encode("utf-8")), bits)


def class_prefix(class_id: str, bits: int) -> int:
    """Return the catalog shard of a class: the first `bits` bits of its id, itself a digest in hexadecimal."""
    return _first_bits(class_id, bits)


def shard_bits(entries: int, current: int | None = None) -> int:
    """Return how many prefix bits spread `entries` over shards of about 64: max(0, ceil(log2(entries / 64))).

    Args:
        entries: Devices, or classes.
        current: The bits in force. They stay until the count has left their range by a factor of two, so that a fleet
            that hovers at a border does not rename every shard back and forth.
    """
    emptied = current is not None and current > 0 and entries <= 16 << current
    if current is not None and not emptied and entries <= 128 << current:
        return current
    return (-(-max(1, entries) // 64) - 1).bit_length()


def _spread(bits: int, prefix: int) -> str:
    digits = f"{prefix:0{max(1, -(-bits // 4))}x}"
    return "/".join(digits[start : start + 2] for start in range(0, len(digits), 2))


def _first_bits(hexadecimal: str, bits: int) -> int:
    return int(hexadecimal, 16) >> (4 * len(hexadecimal) - bits)


def _proof(index: int, low: int, high: int, subtree: Callable[[int, int], bytes]) -> tuple[bytes, ...]:
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    return tuple(reversed(path))


def _split(size: int) -> int:
    """Return the largest power of two below `size` (RFC 6962 section 2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _hash_from_tiles(read_tile: ReadTile, low: int, high: int) -> bytes:
    size = high - low
    if size & (size - 1):  # not a complete subtree: it hangs together from smaller ones
        middle = low + _split(size)
        return node_hash(_hash_from_tiles(read_tile, low, middle), _hash_from_tiles(read_tile, middle, high))
    height = size.bit_length() - 1
    # A complete subtree hangs under `2^(height mod TILE_HEIGHT)` hashes of one tile.
    level, inside = divmod(height, TILE_HEIGHT)
    first = low >> (level * TILE_HEIGHT)
    number, offset = divmod(first, 1 << TILE_HEIGHT)
    content = read_tile(level, number)
    wanted = content[32 * offset : 32 * (offset + (1 << inside))]
    if len(wanted) != 32 << inside:
        raise TrustError("TREE-TILE", f"tile {level}/{number} is too short for the signed tree size")
    return root_hash([wanted[start : start + 32] for start in range(0, len(wanted), 32)])
