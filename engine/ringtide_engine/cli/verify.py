"""`ringtide verify`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK

if TYPE_CHECKING:
    from ringtide_engine.ports import Repository
    from ringtide_engine.workflows.verify import Verification

FIRST_ROOT = "trust/1.root.json"

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/\s:]+@[^/\s:]+:")


@click.command("verify")
@click.argument("repository", default=".")
@click.option(
    "--root", type=click.Path(path_type=Path), metavar="FILE", help=f"Trusted root; by default {FIRST_ROOT} of main."
)
@click.option(
    "--device", "devices", multiple=True, metavar="ID", help="Walk the path of this device alone; repeatable."
)
@rendering.output_option("table", "json")
def verify_command(repository: str, root: Path | None, devices: tuple[str, ...], output: rendering.Output) -> int:
    """Verify what is published in REPOSITORY, a folder or an address, as devices do, and compile its source again.

    Give --root a file that came another way: a root out of the same repository shows that the publication is whole, not
    whose it is. Exit code 4 where it is refused.
    """
    from ringtide_contract.ids import parse_device_id
    from ringtide_engine.cli.work_tree import read_file
    from ringtide_engine.workflows.verify import verify

    chosen = [parse_device_id(each) for each in devices]
    trusted = None if root is None else read_file(root)
    with _opened(repository) as opened:
        found = verify(
            opened,
            root=_first_root(opened) if trusted is None else trusted,
            reader=wiring.trust_reader(),
            second_opinion=wiring.second_opinion(),
            now=wiring.clock().now(),
            devices=chosen or None,
        )
    _write(found, output)
    for note in found.notes:
        rendering.talk(f"not checked: {note}")
    if trusted is None:
        rendering.talk(f"the trusted root is {FIRST_ROOT} of the same repository; give --root to know whose it is")
    return OK


@contextmanager
def _opened(repository: str) -> Iterator["Repository"]:
    """Open a repository in a folder, or a clone of one elsewhere for as long as it is needed."""
    if not _ADDRESS.match(repository):
        yield wiring.fleet_repository(Path(repository))
        return
    with wiring.cloned_repository(repository) as opened:
        yield opened


def _first_root(repository: "Repository") -> bytes:
    main = repository.head("main")
    content = None if main is None else repository.file(main, FIRST_ROOT)
    if content is None:
        raise InputError(f"the repository has no {FIRST_ROOT} on main; name a trusted root with --root")
    return content


def _write(found: "Verification", output: rendering.Output) -> None:
    from ringtide_contract.ids import format_instant

    if output == "json":
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "VerifyResult",
            "fleet": found.fleet,
            "epoch": found.epoch,
            "generation": found.generation,
            "commit": found.commit,
            "source": found.source,
            "root": found.root,
            "devices": found.devices,
            "recompiled": found.recompiled,
            "expires": format_instant(found.expires),
            "notes": list(found.notes),
        }
        rendering.write(document, "json")
        return
    again = "compiles to the same tree" if found.recompiled else "was not compiled again"
    click.echo(f"verified: {found.fleet}, generation {found.generation} of epoch {found.epoch}")
    click.echo(f"  devices {found.devices} accept it until {format_instant(found.expires)}")
    click.echo(f"  source  {found.source}, {again}")
    click.echo(f"  root    {found.root}")
    click.echo(f"  commit  {found.commit}")
