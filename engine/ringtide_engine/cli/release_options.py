"""Options that every command which adds a release has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def file_options(command: Command) -> Command:
    """Say where the release's files go: `--store` and `--outbox`."""
    outbox = click.option(
        "--outbox",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Lay the files here, named by digest, for the owner of a store that is read only.",
    )
    store = click.option(
        "--store", required=True, metavar="NAME", help="Artifact store of fleet.yaml that takes the files."
    )
    return store(outbox(command))


def risk_tier_option(command: Command) -> Command:
    """Say how much depends on it: `--risk-tier`."""
    tiers = click.Choice(["low", "medium", "high"])
    return click.option("--risk-tier", type=tiers, default="medium", show_default=True, help="Risk tier.")(command)
