"""The group: which verbs there are, and where each of them lives."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from ringtide_engine import __version__
from ringtide_engine.cli.exits import FAILED, OK, exit_code

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "Tell the whole story on this machine.",
        "init": "Start a fleet repository from the example.",
        "key": "Make keys, and write down which of them devices trust.",
        "device": "Enroll devices, hold them, retire them, certify them.",
        "model": "Bring models into the fleet repository.",
        "runtime": "Bring versions of the agent itself into it.",
        "check": "Say what is wrong with a desired state.",
        "fmt": "Lay documents out in one way.",
        "plan": "Say which devices a change reaches.",
        "simulate": "Say what a rollout would do to this fleet.",
        "publish": "Sign the desired state and hand it to devices.",
        "verify": "Verify what is published, as devices do.",
        "reports": "Guard the repository that devices push reports to.",
        "ingest": "Collect the reports that devices have pushed.",
        "collect": "Collect the reports that devices send through a broker.",
        "advance": "Judge rollouts: promote, hold or roll back.",
        "rollout": "Follow rollouts, pause, approve or abort them.",
        "explain": "Explain a rule, a field or an exit code.",
        "why": "Say why a device runs what it runs.",
        "get": "List devices, rollouts or releases.",
        "policy": "Work on policy rules.",
        "completion": "Print the script that completes commands in a shell.",
        "github": "Put the plan where reviewers read it.",
    }
)
"""Verb to the line that `--help` shows; the verb lives in `ringtide_engine.cli.<verb>` as `<verb>_command`."""


if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "ringtide"
COMPLETE = "_RINGTIDE_COMPLETE"
"""What the script of `ringtide completion` sets to ask for completions."""


class LazyGroup(click.Group):
    """A group that imports a verb when it is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature, here and below
        """Return the verbs in the order of the table: the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f"ringtide_engine.cli.{cmd_name}"), f"{cmd_name}_command")
        assert isinstance(command, click.Command)  # noqa: S101  # the table is part of the program, a test compares it
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Complete verbs without importing them."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=line) for verb, line in VERBS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ringtide")
@click.option("--debug", is_flag=True, help="Show where an error was raised.")
def ringtide(debug: bool) -> None:
    """Release ONNX models to a fleet of edge devices from a Git repository."""


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: The arguments; those of the process where None.
    """
    gc.set_threshold(50_000, 20, 50)  # a command makes many documents and ends: looking for cycles finds none
    given = sys.argv[1:] if arguments is None else arguments
    debug = bool(given) and given[0] == "--debug"
    try:
        answer = ringtide.main(given, prog_name=PROGRAM, complete_var=COMPLETE, standalone_mode=False)
    except BaseException as error:  # noqa: BLE001  # the one place where errors become exit codes
        if COMPLETE in os.environ:
            return FAILED if not isinstance(error, SystemExit) else OK  # a shell waits: words would stand in its prompt
        return exit_code(error, debug=debug)
    return answer if isinstance(answer, int) else 0
