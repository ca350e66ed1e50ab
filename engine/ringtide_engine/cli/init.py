"""`ringtide init`."""

from pathlib import Path

import click

from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK

NEXT_STEPS = """\
Next:
  1. put your name into fleet.yaml and CODEOWNERS
  2. ringtide key establish       make the keys that devices will trust
  3. ringtide device enroll       enroll the first device
  4. ringtide check               see what is still wrong
"""


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Name the files and write nothing.")
def init_command(folder: Path, dry_run: bool) -> int:
    """Start a fleet repository in FOLDER, which must be empty or not there yet."""
    from ringtide_engine.adapters.new_repository import create
    from ringtide_engine.shipped import schemas, template

    files = {**template(), **{f".ringtide/schemas/{name}": content for name, content in schemas().items()}}
    if dry_run:
        rendering.write(sorted(files), "name")
        return OK
    commit = create(folder, files, message="Start the fleet from ringtide's example")
    rendering.talk(f"{folder}: {len(files)} files, commit {commit[:12]} on main")
    rendering.talk(NEXT_STEPS)
    return OK
