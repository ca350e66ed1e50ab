"""The head of a tree: what the signed root covers, and how to find one's own leaf under it."""

from dataclasses import dataclass

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest, parse_name
from ringtide_contract.tree import MAX_PREFIX_BITS, TILE_HEIGHT

MAX_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """The head document; its SHA-256 is the subject of the statement. It holds no generation and no time."""

    fleet: str
    """The fleet the tree belongs to."""
    index_bits: int
    """Index shards: `2^index_bits`, one for each value of the first bits of SHA-256(device id)."""
    catalog_bits: int
    """Catalog shards: `2^catalog_bits`, one for each value of the first bits of the class id."""
    root: Digest
    """Merkle tree hash over all leaves."""

    @property
    def size(self) -> int:
        """Number of leaves: index, catalog, quarantine."""
        return (1 << self.index_bits) + (1 << self.catalog_bits) + 1

    @property
    def quarantine_leaf(self) -> int:
        """Place of the quarantine leaf, the last."""
        return self.size - 1

    def catalog_leaf(self, prefix: int) -> int:
        """Place of a catalog shard."""
        return (1 << self.index_bits) + prefix

    @classmethod
    def decode(cls, content: bytes) -> "TreeHead":
        """Read a head from its bytes.

        Raises:
            InputError: Not a head, or its figures do not fit together.
        """
        data = fields.document(decode(content, limit=MAX_HEAD_BYTES), "TreeHead")
        if data.get("alg") != "rfc6962-sha256" or data.get("tileHeight") != TILE_HEIGHT:
            raise InputError(f"unknown tree: {data.get('alg')!r} with tiles of height {data.get('tileHeight')!r}")
        bits = [fields.integer(data, name) for name in ("indexBits", "catalogBits")]
        if max(bits) > MAX_PREFIX_BITS:
            raise InputError(f"{max(bits)} prefix bits where at most {MAX_PREFIX_BITS} are allowed")
        head = cls(
            fleet=parse_name(fields.text(data, "fleet")),
            index_bits=bits[0],
            catalog_bits=bits[1],
            root=parse_digest(fields.text(data, "root")),
        )
        if data.get("size") != head.size:
            raise InputError(f"a tree of {data.get('size')!r} leaves where its prefix bits make {head.size}")
        return head

    def encode(self) -> bytes:
        """Write the head in canonical bytes."""
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "TreeHead",
                "fleet": self.fleet,
                "alg": "rfc6962-sha256",
                "tileHeight": TILE_HEIGHT,
                "indexBits": self.index_bits,
                "catalogBits": self.catalog_bits,
                "size": self.size,
                "root": self.root,
            }
        )
