"""`ringtide reports`."""

import re
from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)


@click.group("reports")
def reports_command() -> None:
    """Look after the reports repository, on the server where it lies."""


@reports_command.command("guard")
@click.argument("repository", type=click.Path(path_type=Path))
@click.option("--writer", "writers", multiple=True, metavar="NAME", help="Who collects reports there; repeatable.")
@click.option("--dry-run", is_flag=True, help="Say whether it could be done, and write nothing.")
def guard_command(repository: Path, writers: tuple[str, ...], dry_run: bool) -> int:
    """Let each device add reports to its own branch of REPOSITORY, and do nothing else there.

    Makes the bare repository where there is none, and writes its hooks. The server must say who pushes: over HTTPS by
    REMOTE_USER from the client's certificate, over SSH by a forced command.
    """
    for name in writers:
        if not _NAME.fullmatch(name):
            raise click.BadParameter(f"{name!r}: letters, digits and . _ @ - only", param_hint="--writer")
    for line in wiring.guard_reports(repository, writers, dry_run=dry_run):
        click.echo(line)
    if not writers:
        rendering.talk("no --writer is named: nobody but devices may push there")
    return OK
