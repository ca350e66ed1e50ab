"""`ringtide rollout`."""

import click

from ringtide_engine.cli.rollout_history import history_command
from ringtide_engine.cli.rollout_people import abort_command, approve_command, pause_command, resume_command
from ringtide_engine.cli.rollout_status import status_command


@click.group("rollout")
def rollout_command() -> None:
    """Follow rollouts through their rings, hold them up, and take them back."""


for _command in (status_command, history_command, pause_command, resume_command, approve_command, abort_command):
    rollout_command.add_command(_command)
