"""Options that several commands have."""

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    default=Path("/etc/ringtide/agent.toml"),
    show_default=True,
    help="Configuration that `enroll` wrote.",
)
