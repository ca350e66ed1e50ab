"""`ringtide policy`."""

import click

from ringtide_engine.cli.policy_list import explain_command, list_command
from ringtide_engine.cli.policy_new import new_command
from ringtide_engine.cli.policy_test import test_command


@click.group("policy")
def policy_command() -> None:
    """Work on policy rules."""


for _command in (test_command, new_command, list_command, explain_command):
    policy_command.add_command(_command)
