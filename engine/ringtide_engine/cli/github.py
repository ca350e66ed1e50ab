"""`ringtide github`: what a workflow tells GitHub about a plan, and asks it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_contract.errors import InputError, RingtideError
from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FAILED, OK

if TYPE_CHECKING:
    from ringtide_engine.ports import Forge
    from ringtide_engine.workflows.sticky_comment import Planned

MAX_COMMENT_BYTES = 1024 * 1024

_repository = click.option(
    "--repository", metavar="OWNER/NAME", envvar="GITHUB_REPOSITORY", show_envvar=True, help="Repository on GitHub."
)


@click.group("github")
def github_command() -> None:
    """Talk to GitHub from a workflow.

    Reads the token from GITHUB_TOKEN and addresses from GITHUB_API_URL, GITHUB_SERVER_URL and GITHUB_RUN_ID.
    """


@github_command.command("comment")
@click.option("--file", "file", type=click.Path(path_type=Path), required=True, help="comment.md of `ringtide plan`.")
@click.option("--pull-request", type=click.IntRange(min=1), required=True, metavar="N", help="Pull request.")
@click.option("--plan", metavar="DIGEST", help="Plan that the footer shall name, with a link to this run.")
@click.option("--author", metavar="LOGIN", help="Login whose comment is ours; that of the token by default.")
@click.option("--update-only", is_flag=True, help="Edit the comment that is there, and make none.")
@_repository
def comment_command(
    file: Path, pull_request: int, plan: str | None, author: str | None, update_only: bool, repository: str | None
) -> int:
    """Put a plan into the one comment that ringtide keeps on a pull request.

    The comment is found by its first line and its author, and edited in place. A token that may only read, as that of
    a fork, gives a notice and exit code 0; any other failure to publish an error annotation and exit code 1.
    """
    from ringtide_engine.ports import ReadOnlyTokenError
    from ringtide_engine.workflows.sticky_comment import put_comment

    try:
        api = _api(repository)
        text = _text(file)
        outcome = put_comment(
            api.pull_request(pull_request), text, _planned(plan, repository), author=author, create=not update_only
        )
    except ReadOnlyTokenError as error:
        return _annotate("notice", "ringtide cannot comment", f"{error}; the plan stands in the job summary", OK)
    except RingtideError as error:
        return _annotate("error", "ringtide could not publish its comment", str(error), FAILED)
    rendering.talk(f"comment: {outcome}")
    return OK


@github_command.command("record-plan")
@click.option(
    "--commit", required=True, metavar="SHA", help="Commit that was checked: a pull request's head, or a merge group's."
)
@click.option("--plan", required=True, metavar="DIGEST", help="Digest of its plan.")
@_repository
def record_plan_command(commit: str, plan: str, repository: str | None) -> int:
    """Record the plan of a checked commit as a check run, for `ringtide github reviewed-plan` after the merge.

    A token that may only read gives a notice and exit code 0, any other failure an error annotation and exit code 1.
    """
    from ringtide_contract.ids import parse_digest
    from ringtide_engine.ports import ReadOnlyTokenError

    try:
        _api(repository).record(commit, parse_digest(plan))
    except ReadOnlyTokenError as error:
        said = f"{error}; after the merge somebody must approve the plan by hand"
        return _annotate("notice", "ringtide cannot record the plan", said, OK)
    except RingtideError as error:
        return _annotate("error", "ringtide could not record the plan", str(error), FAILED)
    return OK


@github_command.command("reviewed-plan")
@click.option("--commit", required=True, metavar="SHA", help="Commit on the protected branch.")
@click.option("--app", default="github-actions", show_default=True, metavar="SLUG", help="App whose records count.")
@_repository
def reviewed_plan_command(commit: str, app: str, repository: str | None) -> int:
    """Print the digest of the plan that was recorded for what became this commit; nothing where none was."""
    digest = _api(repository, app).recorded(commit)
    if digest is None:
        rendering.talk(f"no plan was recorded for {commit[:64]}")
    else:
        click.echo(digest)
    return OK


def _api(repository: str | None, app: str | None = None) -> "Forge":
    token = os.environ.get("GITHUB_TOKEN", "")
    base = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    return wiring.github(base, repository or "", token, app)


def _planned(plan: str | None, repository: str | None) -> "Planned | None":
    from ringtide_contract.ids import parse_digest
    from ringtide_engine.workflows.sticky_comment import Planned

    if plan is None:
        return None
    server = os.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    run = os.environ.get("GITHUB_RUN_ID", "")
    if not run.isdecimal():
        raise InputError("GITHUB_RUN_ID is not a number; outside of a workflow leave --plan out")
    return Planned(plan=parse_digest(plan), run=f"{server.rstrip('/')}/{repository}/actions/runs/{run}")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_COMMENT_BYTES + 1)
        if len(content) > MAX_COMMENT_BYTES:
            raise InputError(f"{file} is longer than a comment can be")
        return content.decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8") from error


def _annotate(kind: str, title: str, text: str, code: int) -> int:
    """Write one workflow command; GitHub shows it beside the run."""
    said = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    click.echo(f"::{kind} title={title}::{said}")
    return code
