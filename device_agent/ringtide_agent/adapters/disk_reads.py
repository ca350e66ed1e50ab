"""Reading a disk that may fail: once more after an error that may pass, and what it never gives is damaged."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ringtide_contract.ids import Digest

T = TypeVar("T")

UNREADABLE = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.EACCES})
"""What a file is lost by, whoever asks for it again: a bad sector, a torn file system, another owner."""

_CHUNK = 1024 * 1024


def twice(read: Callable[[], T]) -> T:
    """Read again what a disk could not give: one error may pass, and only what fails twice is damaged."""
    try:
        return read()
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        return read()


def start_of(path: Path, size: int) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb") as file:
        return file.read(size)


def hash_file(path: Path) -> Digest:
    """Return the digest of a file."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return Digest(state.hexdigest())


def holds(path: Path, digest: Digest) -> bool:
    """Tell whether a file can be read and is what its digest says."""
    try:
        return twice(lambda: hash_file(path)) == digest
    except OSError as error:
        if error.errno in UNREADABLE:
            return False
        raise
