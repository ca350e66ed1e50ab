"""The files of a folder, read and written plainly: no Git, no links followed, bounded."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ringtide_contract.errors import InputError
from ringtide_engine import wiring

MAX_FILES = 200_000
"""More is not a fleet repository but a folder given by mistake."""

MAX_BYTES = 1 << 30
"""One GiB in all."""

_SKIPPED = frozenset({".git"})


def read_folder(folder: Path) -> Mapping[str, bytes]:
    """Return path to content of the regular files below a folder.

    Raises:
        InputError: Not a folder, a file that cannot be read, or too much.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    files: dict[str, bytes] = {}
    total = 0
    try:
        for parent, folders, names in os.walk(folder, onerror=_refuse):
            folders[:] = sorted(each for each in folders if each not in _SKIPPED)
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_symlink() or not path.is_file():
                    continue
                total += path.stat().st_size
                if len(files) >= MAX_FILES or total > MAX_BYTES:
                    raise InputError(f"{folder} holds more than {MAX_FILES} files or {MAX_BYTES} bytes")
                files[_name(path.relative_to(folder))] = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from error
    return files


def read_base(folder: Path, revision: str) -> Mapping[str, bytes]:
    """Return the files of a folder as they were at a revision of the repository around it.

    Raises:
        InputError: No repository, no such revision, or links among the files.
    """
    whole = folder.resolve()
    top = next((each for each in (whole, *whole.parents) if (each / ".git").exists()), None)
    if top is None:
        raise InputError(f"{folder} is not in a Git repository, so it has no {revision}")
    repository = wiring.fleet_repository(top)
    prefix = "" if top == whole else f"{whole.relative_to(top).as_posix()}/"
    files = repository.files(repository.commit_of(revision), prefix)
    return {path.removeprefix(prefix): content for path, content in files.items()}


def read_file(path: Path) -> bytes:
    """Return the content of one file.

    Raises:
        InputError: It cannot be read, or is larger than anything that is read here.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES} bytes")
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, making its folder where that is not there.

    Raises:
        InputError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _name(path: Path) -> str:
    name = path.as_posix()
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"the name of {name!a} is not UTF-8") from error
    return name


def _refuse(error: OSError) -> None:
    raise error


def read_rules(folder: Path) -> Mapping[str, bytes]:
    """Return rules, suites and samples as `policies/<id>/...`, from a fleet repository or a folder of rules.

    Raises:
        InputError: Not a folder, or too much in it.
    """
    rules = folder / "policies" if (folder / "policies").is_dir() else folder
    return {f"policies/{path}": content for path, content in read_folder(rules).items()}
