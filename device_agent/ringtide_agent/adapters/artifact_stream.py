"""What a store is to a download: an address and an offset in, bytes out. Each kind of store is a module of its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ringtide_agent.adapters.web import Web


class WrongBytesError(Exception):
    """The source gave something else than the digest names."""


class BrokenOffError(Exception):
    """The source did not answer, or not to the end; what came is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An artifact, from some byte on."""

    start: int
    """Where its bytes begin: where they were asked for, or at 0, where the store cannot do that."""
    total: int | None
    """Size of the whole artifact; None where the store does not say."""
    etag: str | None
    """What the store calls this content; None where it does not say."""
    chunks: Iterator[bytes]
    """The bytes; none of the chunks is empty."""


class ArtifactStore(Protocol):
    """Gives artifacts of one or more schemes of addresses."""

    def open(self, uri: str, start: int, web: Web, amount: int) -> AbstractContextManager[Stream]:
        """Open an artifact.

        Args:
            uri: Its address.
            start: The first byte that is wanted.
            web: Connections that the caller can cut; a store that needs none leaves them alone.
            amount: The largest chunk.

        Raises:
            WrongBytesError: What lies there is not what is looked for: it ends before `start`.
            BrokenOffError: No answer, or not to the end; also from the chunks.
        """
