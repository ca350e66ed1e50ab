"""The hooks that guard a reports repository, and their installation."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from ringtide_contract.errors import InputError
from ringtide_engine.adapters.git_process import GitProcess

HOOKS = ("update", "pre-receive", "over-ssh")
"""Files beside this one; `over-ssh` is no hook, but the command that authorized_keys forces."""

MOST_PUSHED = "16m"
"""A collector's segments fit; git breaks a larger push off while it comes in."""

SETTINGS = {
    "core.hooksPath": "hooks",  # a path in the server's own configuration would switch the hooks off
    "http.receivepack": "true",  # git takes pushes over HTTP from named users only; the hooks say which
    "receive.denyDeletes": "true",
    "receive.denyNonFastForwards": "true",
    "receive.fsckObjects": "true",
    "receive.maxInputSize": MOST_PUSHED,
}

_WRITER = "ringtide.writer"


def install(folder: Path, writers: Sequence[str]) -> tuple[str, ...]:
    """Guard the bare repository in `folder`, which is made where it is not there; done again, it changes nothing.

    Args:
        folder: The repository.
        writers: Names that may write branches which belong to no device; they replace those named before.

    Returns:
        What is in force now, one line each.

    Raises:
        InputError: The folder holds something else, or other hooks, or cannot be written.
    """
    check(folder)
    try:
        if not folder.exists() or not any(folder.iterdir()):
            GitProcess.create(folder)
        process = GitProcess(folder)
        (folder / "hooks").mkdir(exist_ok=True)
        for name in HOOKS:
            _replace(folder / "hooks" / name, _content(name))
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror}") from error
    for name, value in SETTINGS.items():
        process.run("config", name, value)
    process.try_run("config", "--unset-all", _WRITER)
    for writer in writers:
        process.run("config", "--add", _WRITER, writer)
    return (
        *(f"{folder / 'hooks' / name}" for name in HOOKS),
        *(f"{name} = {value}" for name, value in SETTINGS.items()),
        *(f"{_WRITER} = {writer}" for writer in writers),
    )


def check(folder: Path) -> None:
    """Refuse what is no place for a guarded repository.

    Raises:
        InputError: The folder holds something else, or other hooks.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    if any(folder.iterdir()) and not all((folder / name).exists() for name in ("HEAD", "objects", "refs")):
        raise InputError(f"{folder} is not a bare Git repository. fix: name one, or an empty folder")
    for name in HOOKS:
        place = folder / "hooks" / name
        if place.exists() and b"ringtide" not in place.read_bytes() and place.read_bytes() != _content(name):
            raise InputError(f"{place} is a hook of another. fix: move it away, and call it from one of your own")


def _content(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


def _replace(place: Path, content: bytes) -> None:
    with NamedTemporaryFile(dir=place.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o755)
    Path(file.name).replace(place)
