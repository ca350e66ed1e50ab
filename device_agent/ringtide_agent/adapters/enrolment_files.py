"""The files of an enrolment: a key that is made once, the trusted root, the configuration."""

import os
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from ringtide_agent.adapters.key_files import read_key
from ringtide_contract.errors import InputError
from ringtide_contract.keys import PublicKey, generate, private_pem

MAX_ROOT_BYTES = 64 * 1024
"""As the agent reads it later."""


def make_key(path: Path) -> PublicKey:
    """Make the device's key, or use the one that is there, and return its public half.

    Raises:
        InputError: What is there is not a key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        try:
            return read_key(path).public_key()
        except InputError as error:
            fix = "" if "fix: " in str(error) else ". fix: move the file away, or give another --state-dir"
            raise InputError(f"{error}{fix}") from error
    key = generate()
    with os.fdopen(handle, "wb") as file:
        file.write(private_pem(key))
        file.flush()
        os.fsync(file.fileno())
    return key.public_key()


def next_key_path(path: Path) -> Path:
    """Return where the key lies that shall follow the one at `path`."""
    return path.with_name(f"{path.name}.next")


def switch_key(path: Path) -> None:
    """Put the next key in place of the present one, which is gone then; whole or not at all.

    Raises:
        InputError: There is no next key, or it is not private.
    """
    coming = next_key_path(path)
    if not coming.exists():
        raise InputError(f"{coming}: no next key. fix: run `ringtide-agent rotate-key` first")
    read_key(coming)
    coming.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def keep_root(source: Path, path: Path) -> None:
    """Copy the trusted root.

    Raises:
        InputError: Not a root that its own keys have signed, or another one is trusted here.
    """
    read_root(source)
    content = source.read_bytes()
    if path.exists() and path.read_bytes() != content:
        raise InputError(f"{path}: this device trusts another root. fix: give another --state-dir for another fleet")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, content)
    if os.geteuid() == 0:  # root enrolls, and the service's user works in the folder
        owner = path.parent.parent.stat()
        for made in (path, path.parent):
            os.chown(made, owner.st_uid, owner.st_gid)


def read_root(path: Path) -> Root:
    """Read a trusted root.

    Raises:
        InputError: Not there, or not a root that its own keys have signed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_ROOT_BYTES + 1)
        metadata = Metadata[Root].from_bytes(content[:MAX_ROOT_BYTES])
        if metadata.signed.type != Root.type:
            raise ValueError(f"it is a {metadata.signed.type} document")  # noqa: TRY301 - translated below
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}. fix: name the fleet's trust/1.root.json") from error
    except (RepositoryError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a signed TUF root: {error}. fix: take the fleet's trust/1.root.json") from error
    return metadata.signed


def write_config(path: Path, text: str) -> None:
    """Write the configuration where there is none.

    Raises:
        InputError: There is another one; a person may have changed it.
    """
    content = text.encode("utf-8")
    if path.exists() and path.read_bytes() != content:
        raise InputError(f"{path}: there is another configuration. fix: edit it, or move it away and enroll again")
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
