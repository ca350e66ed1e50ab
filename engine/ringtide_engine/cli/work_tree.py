"""The files of a folder, read and written plainly: no Git, no links followed, bounded."""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.load.layout import FOLDERS, OTHER_FOLDERS, Spot, spot
from ringtide_engine.model.finding import Finding, FindingsError, Place
from ringtide_engine.model.rules import finding

MAX_FILES = 200_000
"""More is not a fleet repository but a folder given by mistake."""

MAX_BYTES = 1 << 30
"""One GiB in all."""

_SKIPPED = frozenset({".git"})


def read_folder(folder: Path) -> Mapping[str, bytes]:
    """Return path to content of the regular files below a folder.

    Raises:
        FindingsError: Where ringtide reads lies a link, a submodule, or what else no commit could hold.
        InputError: Not a folder, a file that cannot be read, or too much.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    files: dict[str, bytes] = {}
    strange: list[Finding] = []
    total = 0
    try:
        for parent, folders, names in os.walk(folder, onerror=_refuse):
            unnamed = [each for each in (*folders, *names) if not _named(each)]
            strange += [_unnamed(Path(parent, each).relative_to(folder)) for each in unnamed]
            folders[:] = [each for each in folders if each not in unnamed]
            below = [Path(parent, each).relative_to(folder).as_posix() for each in folders]
            strange += [found for path in below if (found := _strange_folder(folder / path, path)) is not None]
            folders[:] = sorted(each for each in folders if each not in _SKIPPED)
            for name in sorted(set(names) - set(unnamed)):
                path = Path(parent, name).relative_to(folder).as_posix()
                content = _regular(folder / path, MAX_BYTES - total)
                if content is None:
                    if _is_read(path):
                        strange.append(_finding(path, _what(folder / path)))
                    continue
                total += len(content)
                if len(files) >= MAX_FILES or total > MAX_BYTES:
                    raise InputError(f"{folder} holds more than {MAX_FILES} files or {MAX_BYTES} bytes")
                files[path] = content
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from error
    if strange:
        raise FindingsError(tuple(sorted(strange, key=lambda each: each.place)))
    return files


def _regular(path: Path, most: int) -> bytes | None:
    """Return the content of a regular file, one byte more than `most` of it at most; None of anything else."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    # Neither follows nor waits, should a link or a pipe have taken the file's place meanwhile.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(most + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _strange_folder(folder: Path, path: str) -> Finding | None:
    """Return what is wrong with a folder that ringtide would read."""
    parts = path.split("/")
    ours = parts[0] in (*FOLDERS, *OTHER_FOLDERS) or _is_read(path)
    if not ours or any(part.startswith(".") for part in parts):
        return None
    if folder.is_symlink():
        return _finding(path, "a link")
    if (folder / ".git").exists():
        return _finding(path, "a submodule")
    return _finding(path, "a folder") if _is_read(path) else None


def _is_read(path: str) -> bool:
    return isinstance(spot(path), Spot)


def _what(path: Path) -> str:
    mode = path.lstat().st_mode
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device file")


def _finding(path: str, what: str) -> Finding:
    return finding("RT-FILE-004", Place(path=path), f"{path} is {what}, not a regular file")


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


def _named(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unnamed(path: Path) -> Finding:
    seen = path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")
    return finding("RT-FILE-006", Place(path=seen), "the name is not UTF-8")


def _refuse(error: OSError) -> None:
    raise error


def read_rules(folder: Path) -> Mapping[str, bytes]:
    """Return rules, suites and samples as `policies/<id>/...`, from a fleet repository or a folder of rules.

    Raises:
        InputError: Not a folder, or too much in it.
    """
    rules = folder / "policies" if (folder / "policies").is_dir() else folder
    return {f"policies/{path}": content for path, content in read_folder(rules).items()}
