"""The options by which verbs name their repositories."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def repository_options(*, reports: bool = True) -> Callable[[Command], Command]:
    """Return the options `--fleet`, `--reports` and `--branch`.

    Args:
        reports: Whether the reports repository is needed.
    """

    def add(command: Command) -> Command:
        options = [
            click.option(
                "--fleet",
                type=click.Path(path_type=Path),
                default=".",
                show_default=True,
                help="Folder of the fleet repository.",
            ),
            click.option(
                "--reports",
                type=click.Path(path_type=Path),
                required=reports,
                envvar="RINGTIDE_REPORTS",
                show_envvar=True,
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
