"""`ringtide fmt`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from ringtide_contract.errors import InputError
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import CHANGES, FINDINGS, OK
from ringtide_engine.cli.work_tree import read_folder, write_file
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.model.finding import Finding


@click.command("fmt")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Name the files that would change, and write nothing.")
@click.option("--diff", is_flag=True, help="Show what would change, and write nothing.")
def fmt_command(paths: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Lay documents out in one way: those of the fleet repositories and files in PATHS, or of this folder.

    Changes the order of fields, indentation, blank lines and the line by which editors find the schema; never a value,
    and never a comment. What the judge writes stays as it is, and so does a document whose lines cannot be moved without
    a change of meaning. Exit code 2 where --check or --diff finds a file to change, 3 where a document cannot be read.
    """
    from ringtide_engine.load.formatting import formatted

    findings: list[Finding] = []
    sources: dict[str, bytes] = {}
    changed = 0
    for root, path, kind, content in _documents(paths or (Path(),)):
        after = formatted(path, content, kind)
        if isinstance(after, tuple):
            findings.extend(after)
            sources[path] = content
        elif after != content:
            changed += 1
            if diff:
                _show(path, content, after)
            else:
                click.echo(path)
            if not (check or diff):
                write_file(root / path, after)
    if findings:
        rendering.write_findings(findings, sources)
    dry = check or diff
    files = f"{changed} file{'s' * (changed != 1)}"
    rendering.talk(f"{files} {'would change' if dry else 'changed'}; {rendering.summary(findings)}")
    return FINDINGS if findings else CHANGES if dry and changed else OK


def _documents(paths: tuple[Path, ...]) -> Iterator[tuple[Path, str, str, bytes]]:
    """Yield repository, path within it, kind and content of the documents that people write, each once."""
    repositories: dict[Path, Mapping[str, bytes]] = {}
    seen: set[Path] = set()
    for given in paths:
        whole = Path(os.path.abspath(given))  # noqa: PTH100  # a link stays a link, and is refused as one
        root = _root(whole)
        if root not in repositories:
            repositories[root] = read_folder(root)
        files = repositories[root]
        within = whole.relative_to(root).as_posix()
        chosen = [each for each in files if within in (".", each) or each.startswith(f"{within}/")]
        if not chosen and not whole.is_dir():
            raise InputError(f"{given} is no file of the fleet repository {root}")
        for path in chosen:
            kind = _kind(path)
            if kind is not None and root / path not in seen:
                seen.add(root / path)
                yield root, path, kind, files[path]


def _root(given: Path) -> Path:
    """Return the fleet repository around a folder or file: the nearest folder with a fleet.yaml in it."""
    for folder in (given, *given.parents):
        if (folder / "fleet.yaml").exists():
            return folder
    raise InputError(f"{given} is in no fleet repository: there is no fleet.yaml in it or above it")


def _kind(path: str) -> str | None:
    """Return the kind of a document that people write; None of any other file."""
    where = spot(path)
    if not isinstance(where, Spot) or where.kind in ("lines", "Progress", "QuarantineEntry"):
        return None
    return where.kind


def _show(path: str, before: bytes, after: bytes) -> None:
    from difflib import unified_diff

    old, new = (each.decode("utf-8").splitlines(keepends=True) for each in (before, after))
    click.echo("".join(unified_diff(old, new, f"a/{path}", f"b/{path}")), nl=False)
