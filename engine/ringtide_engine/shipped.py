"""Data that comes with ringtide: the rule library, the example repository and the schemas."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ringtide_contract.errors import InputError
from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Return `policies` or `fleet-repo-template`, in an installed wheel and in a checkout alike.

    Raises:
        InputError: The installation lacks it.
    """
    for folder in (_PACKAGE / "_shipped" / name, _PACKAGE.parents[1] / name):
        if folder.is_dir():
            return folder
    raise InputError(f"this installation of ringtide lacks its folder {name}; install it again")


@cache
def rule_library() -> Mapping[str, bytes]:
    """Return the files of the rule library, as `policies/<id>/...`."""
    folder = shipped_folder("policies")
    return {f"policies/{path}": content for path, content in _files(folder).items()}


@cache
def template() -> Mapping[str, bytes]:
    """Return the files of the example repository."""
    return _files(shipped_folder("fleet-repo-template"))


def schemas() -> Mapping[str, bytes]:
    """Return the JSON Schemas that editors read, by file name."""
    return {name: schema_text(name) for name in (*SCHEMA_FILES.values(), SHARED)}


def _files(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
