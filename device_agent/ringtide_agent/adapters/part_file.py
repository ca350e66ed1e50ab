"""A file that is gathered piece by piece, each checked by its digest: what is right stays, whatever becomes of the rest.

Nothing is remembered beside the bytes. Which pieces are right is read off them at the start of every fetch, and how far
the last one came off the length of the file; a kill, a power cut or a turned bit costs the pieces that it damaged.
"""

import ctypes
import errno
import hashlib
import itertools
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ringtide_agent.adapters.artifact_stream import WrongBytesError
from ringtide_contract.artifact import CHUNK_BYTES, read_chunk_list
from ringtide_contract.ids import Digest

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

_READ_BYTES = 256 * 1024
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What a file is checked by."""

    size_bytes: int
    """Size of the file."""
    length: int
    """Length of a piece; the last one is shorter."""
    digests: tuple[Digest, ...]
    """Digest of every piece."""

    @classmethod
    def one(cls, digest: Digest, size_bytes: int) -> "Pieces":
        """Return the whole file as one piece."""
        return cls(size_bytes=size_bytes, length=max(1, size_bytes), digests=(digest,))

    @classmethod
    def listed(cls, chunk_list: bytes, size_bytes: int) -> "Pieces":
        """Return the pieces of a chunk list.

        Raises:
            InputError: It is not of this size.
        """
        return cls(size_bytes=size_bytes, length=CHUNK_BYTES, digests=read_chunk_list(chunk_list, size_bytes))

    def start(self, number: int) -> int:
        """Return where a piece begins."""
        return number * self.length

    def stop(self, number: int) -> int:
        """Return where a piece ends."""
        return min(self.size_bytes, (number + 1) * self.length)


class PartFile:
    """The file, and what is missing of it."""

    def __init__(self, file: BinaryIO, pieces: Pieces) -> None:
        """Look through what is there."""
        self._file, self._pieces = file, pieces
        if self._length() > pieces.size_bytes:
            file.truncate(pieces.size_bytes)
        length = self._length()
        numbers = range(len(pieces.digests))
        self._missing = deque(each for each in numbers if pieces.stop(each) > length or not self._is_right(each))
        self.at = 0
        """Where the next byte goes."""
        self.is_mixed = False
        """Whether the piece at hand was begun before, by whatever source: it may be wrong through no fault of this one."""
        self._at_hand: int | None = None
        self._stop, self._hasher = 0, hashlib.sha256()

    def gap(self) -> tuple[int, int] | None:
        """Return from where to where bytes are missing next, for a source to begin with; None where none are."""
        if not self._missing:
            return None
        first = last = self._missing[0]
        length = self._length()
        begun = length // self._pieces.length if length < self._pieces.size_bytes else None
        for number in itertools.islice(self._missing, 1, None):
            if number != last + 1 or (number == begun and length > self._pieces.start(number)):
                break
            last = number
        if self._at_hand != first:
            self._resume(first)
        self.is_mixed = self.at > self._pieces.start(first)
        self._stop = self._pieces.stop(last)
        return self.at, self._stop

    def write(self, content: bytes) -> None:
        """Put bytes where they are missing next; what goes beyond the gap that was last asked for is dropped.

        Raises:
            WrongBytesError: They complete a piece that is not what its digest names.
        """
        rest = memoryview(content)
        while rest and self._missing:
            number = self._missing[0]
            taken, rest = rest[: self._pieces.stop(number) - self.at], rest[self._pieces.stop(number) - self.at :]
            self._file.write(taken)
            self._hasher.update(taken)
            self.at += len(taken)
            if self.at < self._pieces.stop(number):
                return
            if self._hasher.hexdigest() != self._pieces.digests[number]:
                raise WrongBytesError("other bytes than the digest names")
            self._missing.popleft()
            self.is_mixed = False
            self._at_hand = None
            if self.at >= self._stop:
                return
            self.start_over()

    def start_over(self) -> None:
        """Begin the first missing piece anew."""
        if not self._missing:
            return
        self._at_hand = number = self._missing[0]
        self.at, self._hasher = self._pieces.start(number), hashlib.sha256()
        if self._length() <= self._pieces.stop(number):
            self._file.truncate(self.at)  # so that the length says how far it came
        self._file.seek(self.at)

    def reserve(self) -> None:
        """Set disk space aside for the whole file without making it longer: its length says what is here.

        Raises:
            OSError: There is no room.
        """
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        if (
            fallocate(self._file.fileno(), _KEEP_SIZE, 0, self._pieces.size_bytes) != 0
            and ctypes.get_errno() in DISK_FULL
        ):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def wanting_bytes(self) -> int:
        """Return how much disk space the rest of the file takes beyond what it has."""
        return max(0, self._pieces.size_bytes - os.fstat(self._file.fileno()).st_blocks * 512)

    def _resume(self, number: int) -> None:
        """Go on with a piece that the file ends in, or begin it anew."""
        start, length = self._pieces.start(number), self._length()
        if not start < length < self._pieces.stop(number):
            self.start_over()
            return
        self._at_hand, self.at, self._hasher = number, length, self._hashed(start, length)
        self._file.seek(length)

    def _is_right(self, number: int) -> bool:
        hasher = self._hashed(self._pieces.start(number), self._pieces.stop(number))
        return hasher.hexdigest() == self._pieces.digests[number]

    def _hashed(self, start: int, stop: int) -> "hashlib._Hash":
        hasher = hashlib.sha256()
        self._file.seek(start)
        while start < stop and (content := self._file.read(min(_READ_BYTES, stop - start))):
            hasher.update(content)
            start += len(content)
        return hasher

    def _length(self) -> int:
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to gather into, made where it is not there; one that stays empty is removed."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        try:
            yield file
        finally:
            is_empty = file.seek(0, os.SEEK_END) == 0
    if is_empty:
        path.unlink(missing_ok=True)
