"""Options that several commands have, and the configuration that they name together."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ringtide_agent.config import Configuration
    from ringtide_agent.config_inputs import Inputs

_CONFIG_VARIABLE = "RINGTIDE_AGENT_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a command takes its configuration from."""

    path: Path
    """The file; `conf.d/*.toml` beside it belongs to it."""
    settings: tuple[str, ...]
    """`table.key=value` from the command line."""

    def inputs(self) -> "Inputs":
        """Read every value with its place."""
        from ringtide_agent.config import load_inputs

        environment = {name: text for name, text in os.environ.items() if name != _CONFIG_VARIABLE}
        return load_inputs(self.path, environment, self.settings)

    def read(self) -> "Configuration":
        """Read the configuration.

        Raises:
            InputError: It is wrong, or its state belongs to somebody else.
        """
        from ringtide_agent.config import configuration
        from ringtide_contract.errors import InputError

        found = configuration(self.inputs())
        if found.state_dir.exists() and not os.access(found.state_dir, os.R_OK | os.X_OK):
            raise InputError(f"{found.state_dir} is for the service's user alone. fix: put sudo before the command")
        return found


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--config` and `--set`; it gets a `Source`."""

    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar=_CONFIG_VARIABLE,
        default=Path("/etc/ringtide/agent.toml"),
        show_default=True,
        help="Configuration that `enroll` wrote; conf.d/*.toml beside it is read after it.",
    )
    @click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="One value, as serve.port=0; repeatable."
    )
    @wraps(command)
    def with_source(*arguments: Any, config: Path, settings: tuple[str, ...], **more: Any) -> Any:
        return command(*arguments, source=Source(path=config, settings=settings), **more)

    return with_source
