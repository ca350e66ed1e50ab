"""Key files: who may touch them, and signing with one."""

import os
import stat
from pathlib import Path

from ringtide_contract.errors import InputError
from ringtide_contract.keys import PrivateKey, parse_private_key, sign

MAX_KEY_BYTES = 16 * 1024

_NOBODY = 65534
"""How the kernel shows owners from outside the user namespace that systemd gives the service."""


class KeySigner:
    """Signs with a private key in memory."""

    def __init__(self, key: PrivateKey) -> None:
        """Keep the key."""
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return sign(self._key, message)


def read_key(path: Path) -> PrivateKey:
    """Read a private key.

    Raises:
        InputError: Not there, not readable, not private, or not a key.
    """
    content = read_private(path)
    try:
        return parse_private_key(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_private(path: Path) -> bytes:
    """Read a file that nobody else may touch.

    Raises:
        InputError: Not there, not readable, or not private.
    """
    require_private(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}. fix: run as the user that the key belongs to") from error
    if len(content) > MAX_KEY_BYTES:
        raise InputError(f"{path}: larger than {MAX_KEY_BYTES} bytes, so no key")
    return content


def require_private(path: Path) -> None:
    """Refuse a key file that others may read, write, or put another in place of.

    A link is followed, and both the folders on the way to it and those on the way to the file must be safe.

    Raises:
        InputError: It is not there, no plain file, or not private.
    """
    try:
        status = path.stat()
    except OSError as error:
        fix = "enroll this device with `ringtide-agent enroll` where it is the device's key, else put it there"
        raise InputError(f"{path}: {error.strerror}. fix: {fix}") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: no plain file. fix: name the file itself")
    # systemd lends a credential by an access list, whose mask stands where the group's rights do.
    lent = path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
    if status.st_mode & (0o037 if lent else 0o077):
        raise InputError(f"{path}: others may use this key (mode {status.st_mode & 0o777:o}). fix: chmod 600 {path}")
    if lent:
        return
    _require_owner(path, status.st_uid)
    for folder in dict.fromkeys((*path.absolute().parents, *path.resolve().parents)):
        folder_status = folder.stat()
        _require_owner(folder, folder_status.st_uid)
        # In a sticky folder, such as /tmp, others may add files, and neither remove nor rename ours.
        if folder_status.st_mode & 0o022 and not folder_status.st_mode & stat.S_ISVTX:
            mode = stat.S_IMODE(folder_status.st_mode)
            raise InputError(f"{path}: others may replace it: {folder} has mode {mode:o}. fix: chmod go-w {folder}")


def _require_owner(path: Path, owner: int) -> None:
    if owner not in (0, os.geteuid(), _NOBODY) and os.geteuid() != 0:
        raise InputError(f"{path}: user {owner} may change it. fix: chown it to the user that the agent runs as")
