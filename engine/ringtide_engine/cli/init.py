"""`ringtide init`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK

NEXT_STEPS = """\
Next, in the new folder, with the keys in folders outside of it:
  1. write your name and your store into fleet.yaml, your teams into .github/CODEOWNERS
  2. ringtide key new root ../keys/root
     ringtide key new targets ../keys/targets
     ringtide key new tuf ../keys/tuf
     ringtide key new statement ../keys/statement
  3. ringtide key establish --root ../keys/root --targets ../keys/targets --tuf ../keys/tuf --statement ../keys/statement
  4. ringtide-agent enroll ... | ringtide device add -     on the device: --root trust/1.root.json
  5. ringtide model add ...                                a release of your own
  6. ringtide plan                                         what changes, and the digest of it
  7. git add --all && git commit
  8. ringtide publish --statement-keys ../keys/statement --tuf-keys ../keys/tuf --plan DIGEST
"""


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Name the files and write nothing.")
def init_command(folder: Path, dry_run: bool) -> int:
    """Start a fleet repository in FOLDER, which must be empty or not there yet."""
    from ringtide_engine.shipped import schemas, template

    files = {**template(), **{f".ringtide/schemas/{name}": content for name, content in schemas().items()}}
    if dry_run:
        rendering.write(sorted(files), "name")
        return OK
    commit = wiring.new_repository(folder, files, "Start the fleet from ringtide's example")
    rendering.talk(f"{folder}: {len(files)} files, commit {commit[:12]} on main")
    rendering.talk(NEXT_STEPS)
    return OK
