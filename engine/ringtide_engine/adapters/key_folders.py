"""Keys in folders: `<name>.pem` readable by the owner alone, `<name>.pub` beside it."""

import os
from collections.abc import Mapping
from pathlib import Path

from ringtide_contract import keys
from ringtide_contract.envelope import Envelope, seal
from ringtide_contract.errors import InputError
from ringtide_contract.keys import PrivateKey, PublicKey

CUSTODIES: Mapping[str, tuple[str, ...]] = {
    "root": tuple(f"root-{number}" for number in range(1, 6)),
    "targets": tuple(f"targets-{number}" for number in range(1, 4)),
    "tuf": ("release", "snapshot", "timestamp"),
    "statement": ("statement",),
    "devices": ("devices",),
}
"""Custody to the names of its keys. Root is 3 of 5 and targets 2 of 3, both kept offline."""

STATEMENT_KEY = "statement"
DEVICES_KEY = "devices"

_MAX_KEY_BYTES = 16 * 1024


def make_keys(custody: str, folder: Path) -> tuple[Path, ...]:
    """Make the keys of a custody in `folder` and return the public files; nothing is ever overwritten.

    Raises:
        InputError: A key of that name is there already, or the folder cannot be written.
    """
    taken = [folder / f"{name}{end}" for name in CUSTODIES[custody] for end in (".pem", ".pub")]
    for path in taken:
        if path.exists() or path.is_symlink():
            raise InputError(f"{path} exists; keys are never overwritten, name an empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in CUSTODIES[custody]:
            key = keys.generate()
            _write(folder / f"{name}.pem", keys.private_pem(key), 0o600)
            _write(folder / f"{name}.pub", keys.public_pem(key.public_key()).encode("ascii"), 0o644)
    except OSError as error:
        raise InputError(f"cannot write keys to {folder}: {error.strerror}") from error
    return tuple(folder / f"{name}.pub" for name in CUSTODIES[custody])


def public_keys(folder: Path) -> Mapping[str, PublicKey]:
    """Return name to public key of every `.pub` file in `folder`.

    Raises:
        InputError: There is none, or one is not a public key.
    """
    found: dict[str, PublicKey] = {}
    for path in _listed(folder, ".pub"):
        try:
            found[path.stem] = keys.parse_public_key(_read(path).decode("ascii", "replace"))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    if not found:
        raise InputError(f"{folder} holds no .pub file; make keys with `ringtide key new`")
    return found


def private_keys(folder: Path) -> Mapping[str, PrivateKey]:
    """Return name to private key of every `.pem` file in `folder`.

    Raises:
        InputError: One is not a private key, or others than its owner may read it.
    """
    found: dict[str, PrivateKey] = {}
    for path in _listed(folder, ".pem"):
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path} is open to others than its owner; run `chmod 600 {path}`")
        try:
            found[path.stem] = keys.parse_private_key(_read(path))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return found


class FolderStatementSigner:
    """Implements `ports.StatementSigner` with `statement.pem` in a folder."""

    def __init__(self, folder: Path) -> None:
        """Read the key.

        Raises:
            InputError: It is missing, unreadable, or open to others.
        """
        found = private_keys(folder)
        if STATEMENT_KEY not in found:
            raise InputError(
                f"{folder} holds no {STATEMENT_KEY}.pem; make it with `ringtide key new statement {folder}`"
            )
        self._key = found[STATEMENT_KEY]

    def public_key(self) -> PublicKey:
        """Return the public key."""
        return self._key.public_key()

    def seal(self, payload_type: str, payload: bytes) -> Envelope:
        """Sign a payload."""
        return seal(self._key, payload_type, payload)


def certificate_key(folder: Path) -> PrivateKey:
    """Return the key that certificates of devices are issued by.

    Raises:
        InputError: It is missing, unreadable, or open to others.
    """
    found = private_keys(folder)
    if DEVICES_KEY not in found:
        raise InputError(f"{folder} holds no {DEVICES_KEY}.pem; make it with `ringtide key new devices {folder}`")
    return found[DEVICES_KEY]


def _listed(folder: Path, end: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of keys; make one with `ringtide key new`")
    return sorted(path for path in folder.iterdir() if path.suffix == end)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
