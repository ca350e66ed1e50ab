"""`ringtide rollout pause`, `resume`, `approve` and `abort`: words of people, written into the rollout's document."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.workflows.rollout_edits import Edit

Command = TypeVar("Command", bound=Callable[..., Any])

_BY = click.option("--by", required=True, metavar="NAME", help='Who says so, such as "@example/operations".')
_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why, in one line.")


def _editing(command: Command) -> Command:
    """Add the argument and the options of a verb that edits a rollout's document."""
    for add in (
        click.option("--commit", is_flag=True, help="Commit this file, and nothing else, on the current branch."),
        click.option("--dry-run", is_flag=True, help="Print the file as it would be, and write nothing."),
        fleet_option(),
        click.argument("name", shell_complete=names.rollouts),
    ):
        command = add(command)
    return command


@click.command("pause")
@_editing
@_BY
@_REASON
def pause_command(name: str, fleet: Path, dry_run: bool, commit: bool, by: str, reason: str) -> int:
    """Let no further ring of rollout NAME open; failures still roll it back.

    Edits rollouts/NAME.yaml in the work tree. The judge heeds it once it is on the branch of the desired state.
    """
    from ringtide_engine.workflows.rollout_edits import pause

    today = wiring.clock().now().date()
    return _finish(fleet, pause(_files(fleet), name, by=by, reason=reason, today=today), dry_run=dry_run, commit=commit)


@click.command("resume")
@_editing
@click.option("--by", metavar="NAME", help="Who says so; stands in the commit's message.")
@click.option("--reason", metavar="TEXT", help="Why, in one line; stands in the commit's message.")
def resume_command(name: str, fleet: Path, dry_run: bool, commit: bool, by: str | None, reason: str | None) -> int:
    """Let rollout NAME go on where it was paused.

    Edits rollouts/NAME.yaml in the work tree. The judge heeds it once it is on the branch of the desired state.
    """
    from ringtide_engine.workflows.rollout_edits import resume

    return _finish(fleet, resume(_files(fleet), name, by=by, reason=reason), dry_run=dry_run, commit=commit)


@click.command("approve")
@_editing
@_BY
@click.option("--role", required=True, metavar="ROLE", help="In which role, such as operations or safety.")
@click.option("--ring", metavar="RING", help="Ring that may open; needed where rings ask for approval.")
def approve_command(name: str, fleet: Path, dry_run: bool, commit: bool, by: str, role: str, ring: str | None) -> int:
    """Approve a ring of rollout NAME, or the rollout for policies that ask for it.

    Edits rollouts/NAME.yaml in the work tree. It counts once it is on the branch of the desired state: have it reviewed.
    """
    from ringtide_engine.workflows.rollout_edits import approve

    edit = approve(_files(fleet), name, by=by, role=role, ring=ring, today=wiring.clock().now().date())
    return _finish(fleet, edit, dry_run=dry_run, commit=commit)


@click.command("abort")
@_editing
@_BY
@_REASON
def abort_command(name: str, fleet: Path, dry_run: bool, commit: bool, by: str, reason: str) -> int:
    """Take rollout NAME back on every device that has it, without a quarantine of its release. It is final.

    Edits rollouts/NAME.yaml in the work tree. The judge heeds it once it is on the branch of the desired state.
    """
    from ringtide_engine.workflows.rollout_edits import abort

    return _finish(fleet, abort(_files(fleet), name, by=by, reason=reason), dry_run=dry_run, commit=commit)


def _files(fleet: Path) -> Any:
    from ringtide_engine.cli.work_tree import read_folder

    return read_folder(fleet)


def _finish(fleet: Path, edit: "Edit", *, dry_run: bool, commit: bool) -> int:
    from ringtide_engine.cli.work_tree import write_file

    tree = wiring.work_tree(fleet) if commit else None
    if tree is not None:
        tree.require_committed(edit.path)
    if dry_run:
        click.echo(edit.content.decode("utf-8"), nl=False)
        return OK
    write_file(fleet / edit.path, edit.content)
    click.echo(edit.path)
    if tree is None:
        return OK
    try:
        made = tree.commit(edit.path, edit.message)
    except InputError:
        write_file(fleet / edit.path, edit.before)
        raise
    rendering.talk(f"committed {made}")
    return OK
