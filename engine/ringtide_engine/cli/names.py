"""Names of the fleet that lies in the work tree, for shell completion: read cheaply, bounded, and never an error."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

MAX_FILES = 5_000
"""More files are not read while somebody waits for a key."""

MAX_BYTES = 32 * 1024 * 1024
"""Of all inventories together: some hundred thousand devices."""

MAX_NAMES = 200
"""More choices than that help nobody."""

_HEAD = 4096
"""The id of a device stands at the start of its file."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)


def devices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """Return ids of devices that begin as typed."""
    start = re.escape(incomplete.encode("utf-8", "replace"))
    in_yaml = re.compile(rb"^id:[ ]+[\"']?(" + start + rb"[a-z0-9-]*)", re.MULTILINE)
    in_lines = re.compile(rb'"id":[ ]*"(' + start + rb'[a-z0-9-]*)"')
    found: set[str] = set()
    left = MAX_BYTES
    for path in _files(_fleet(ctx) / "devices"):
        lines = path.suffix == ".jsonl"
        content = _read(path, left if lines else _HEAD)
        left -= len(content)
        for match in (in_lines if lines else in_yaml).finditer(content):
            name = match[1].decode("ascii", "replace")
            if _NAME.fullmatch(name):
                found.add(name)
            if len(found) >= MAX_NAMES:
                return sorted(found)
        if left <= 0:
            break
    return sorted(found)


def rollouts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of rollouts that begin as typed."""
    return _named(path.stem for path in _files(_fleet(ctx) / "rollouts") if path.stem.startswith(incomplete))


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of models that begin as typed."""
    return _named(
        path.parent.name for path in _files(_fleet(ctx) / "models") if path.parent.name.startswith(incomplete)
    )


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return ids of policy rules, those of the library and the fleet's own, that begin as typed."""
    from ringtide_engine.shipped import shipped_folder

    folders = (shipped_folder("policies"), _fleet(ctx) / "policies")
    found = (path.parent.name for folder in folders for path in _files(folder) if path.name == "rule.yaml")
    return _named(name for name in found if name.startswith(incomplete))


def _named(names: Iterator[str]) -> list[str]:
    return sorted({name for name in names if _NAME.fullmatch(name)})[:MAX_NAMES]


def _fleet(ctx: click.Context) -> Path:
    given = ctx.params.get("fleet")
    return Path(given) if given is not None else Path()


def _files(folder: Path) -> Iterator[Path]:
    """Yield documents below a folder, in no order; none where it cannot be read."""
    try:
        for number, path in enumerate(folder.rglob("*")):
            if number >= MAX_FILES:
                return
            if path.suffix in (".yaml", ".jsonl"):
                yield path
    except OSError:
        return


def _read(path: Path, most: int) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""
