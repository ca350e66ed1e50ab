"""An artifact: one file of a release by its digest, where it may be had, and what spares a device some of its bytes.

Everything but the digest, the size and the addresses of the whole is an offer. A reader that does not know it, cannot
use it, or meets anything wrong in it fetches the whole.
"""

import hashlib
from collections.abc import Container
from dataclasses import dataclass

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest, parse_name

CHUNK_BYTES = 1024 * 1024
"""Length of the pieces that a chunk list names; the last one is shorter."""

PATCH_FROM = "zstd-patch-from"
"""The one method of deltas: a zstd frame with the base as its prefix, as `zstd --patch-from=BASE` writes it."""

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkList:
    """A file with the SHA-256 of every piece of an artifact, 32 bytes each, in order: where damage is, it says."""

    sha256: Digest
    """Digest of the list."""
    uris: tuple[str, ...]
    """Where to fetch it, in order of preference."""

    @classmethod
    def from_dict(cls, value: object) -> "ChunkList":
        """Read a chunk list's entry from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "chunks")
        return cls(sha256=parse_digest(fields.text(data, "sha256")), uris=fields.items(data, "uris", fields.string))

    def to_dict(self) -> dict[str, Json]:
        """Write the entry as `from_dict` reads it."""
        return {"sha256": self.sha256, "uris": list(self.uris)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What makes an artifact of a file that the device may have."""

    base: Digest
    """Digest of that file."""
    method: str
    """How; `zstd-patch-from`. A reader passes over methods that it does not know."""
    sha256: Digest
    """Digest of the delta."""
    size_bytes: int
    """Exact size of the delta."""
    uris: tuple[str, ...]
    """Where to fetch it, in order of preference."""

    @classmethod
    def from_dict(cls, value: object) -> "Delta":
        """Read a delta from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "delta")
        return cls(
            base=parse_digest(fields.text(data, "from")),
            method=fields.text(data, "method"),
            sha256=parse_digest(fields.text(data, "sha256")),
            size_bytes=fields.integer(data, "size"),
            uris=fields.items(data, "uris", fields.string),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the delta as `from_dict` reads it."""
        return {
            "from": self.base,
            "method": self.method,
            "sha256": self.sha256,
            "size": self.size_bytes,
            "uris": list(self.uris),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of a release."""

    name: str
    """Name within the release, such as `model.onnx`."""
    sha256: Digest
    """Digest of the content."""
    size_bytes: int
    """Exact size."""
    uris: tuple[str, ...]
    """Where to fetch it, in order of preference."""
    chunks: ChunkList | None = None
    """Digests of its pieces of 1 MiB."""
    deltas: tuple[Delta, ...] = ()
    """What makes it of files that devices may have."""

    @classmethod
    def from_dict(cls, value: object) -> "Artifact":
        """Read an artifact from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "artifact")
        return cls(
            name=parse_name(fields.text(data, "name")),
            sha256=parse_digest(fields.text(data, "sha256")),
            size_bytes=fields.integer(data, "size"),
            uris=fields.items(data, "uris", fields.string),
            chunks=None if data.get("chunks") is None else ChunkList.from_dict(data["chunks"]),
            deltas=fields.items(data, "deltas", Delta.from_dict),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the artifact as `from_dict` reads it."""
        entry: dict[str, Json] = {
            "name": self.name,
            "sha256": self.sha256,
            "size": self.size_bytes,
            "uris": list(self.uris),
        }
        if self.chunks is not None:
            entry["chunks"] = self.chunks.to_dict()
        if self.deltas:
            entry["deltas"] = [delta.to_dict() for delta in self.deltas]
        return entry

    def delta_from(self, has: Container[Digest]) -> Delta | None:
        """Return the smallest usable delta whose base is among `has`; None where the whole is no larger."""
        usable = (
            delta
            for delta in self.deltas
            if delta.method == PATCH_FROM and delta.size_bytes < self.size_bytes and delta.base in has
        )
        return min(usable, key=lambda delta: (delta.size_bytes, delta.sha256), default=None)

    def fetch_bytes(self, has: Container[Digest]) -> int:
        """Return how many bytes a device fetches that has the files `has`, if nothing goes wrong."""
        if self.sha256 in has:
            return 0
        delta = self.delta_from(has)
        if delta is not None:
            return delta.size_bytes
        return self.size_bytes + (0 if self.chunks is None else chunk_list_bytes(self.size_bytes))


def chunk_list_bytes(size_bytes: int) -> int:
    """Return the size of the chunk list of an artifact of `size_bytes`."""
    return -(-size_bytes // CHUNK_BYTES) * _DIGEST_BYTES


def write_chunk_list(content: bytes) -> bytes:
    """Return the chunk list of an artifact: the SHA-256 of each piece of 1 MiB, 32 bytes each, in order."""
    view = memoryview(content)
    pieces = range(0, len(content), CHUNK_BYTES)
    return b"".join(hashlib.sha256(view[start : start + CHUNK_BYTES]).digest() for start in pieces)


def read_chunk_list(content: bytes, size_bytes: int) -> tuple[Digest, ...]:
    """Return the digests of the pieces of an artifact of `size_bytes`.

    Raises:
        InputError: A list of another length.
    """
    if len(content) != chunk_list_bytes(size_bytes):
        raise InputError(f"a chunk list of {len(content)} bytes where {chunk_list_bytes(size_bytes)} are due")
    pieces = range(0, len(content), _DIGEST_BYTES)
    return tuple(Digest(content[start : start + _DIGEST_BYTES].hex()) for start in pieces)
