"""The options by which verbs name their repositories and key folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def fleet_option() -> Callable[[Command], Command]:
    """Return the option `--fleet`."""
    return click.option(
        "-C",
        "--fleet",
        type=click.Path(path_type=Path),
        default=".",
        show_default=True,
        metavar="DIR",
        help="Folder of the fleet repository.",
    )


def repository_options(*, reports: bool = True) -> Callable[[Command], Command]:
    """Return the options `--fleet`, `--reports` and `--branch`.

    Args:
        reports: Whether the reports repository is needed.
    """

    def add(command: Command) -> Command:
        options = [
            fleet_option(),
            click.option(
                "--reports",
                type=click.Path(path_type=Path),
                required=reports,
                envvar="RINGTIDE_REPORTS",
                show_envvar=True,
                metavar="DIR",
                help="Folder of the reports repository.",
            ),
            click.option(
                "--branch", default="main", show_default=True, metavar="NAME", help="Branch of the desired state."
            ),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return add


def custody_options(*, required: bool, purpose: str = "") -> Callable[[Command], Command]:
    """Return the options `--statement-keys` and `--tuf-keys`: the two custodies that publishing needs.

    Args:
        required: Whether they must be given.
        purpose: What they are for, where that is not plain.
    """

    def add(command: Command) -> Command:
        options = [
            click.option(
                f"--{name}-keys",
                type=click.Path(path_type=Path),
                required=required,
                metavar="DIR",
                help=f"Folder of the {what}{purpose}.",
            )
            for name, what in (("statement", "statement key"), ("tuf", "online TUF keys"))
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return add
