"""The command `ringtide-agent`: one module a command, each importing what it needs when it runs.

Exit codes: 0 ok, 1 failed, 4 trust refused, 5 not converged in time, 6 (`run`) to be started anew in another version of the
agent, 64 usage, 75 (`self-test`) not now.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from ringtide_agent import __version__
from ringtide_agent.cli.config import config
from ringtide_agent.cli.doctor import doctor
from ringtide_agent.cli.enroll import enroll
from ringtide_agent.cli.rotate_key import rotate_key
from ringtide_agent.cli.run import once, run
from ringtide_agent.cli.self_test import self_test
from ringtide_agent.cli.status import status
from ringtide_contract.errors import InputError, TransientError, TrustError

FAILED, TRUST_REFUSED, USAGE = 1, 4, 64


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ringtide-agent")
def commands() -> None:
    """Run the releases that a fleet's signed publications ask of this device."""


for command in (enroll, run, once, status, doctor, config, self_test, rotate_key):
    commands.add_command(command)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; no traceback reaches the caller."""
    _log_to(sys.stderr)
    logging.getLogger("ringtide").setLevel(logging.INFO)
    try:
        return int(commands.main(list(arguments), prog_name="ringtide-agent", standalone_mode=False) or 0)
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return FAILED
    except TrustError as error:
        return _failed(str(error), "nothing on this device: tell the fleet's owner", TRUST_REFUSED)
    except TransientError as error:
        return _failed(str(error), "it may pass; `ringtide-agent doctor` shows what is missing", FAILED)
    except InputError as error:
        return _failed(str(error), "correct it and run the command again", FAILED)
    except OSError as error:
        return _failed(str(error), "see whether the path exists and may be used", FAILED)


def _log_to(stream: TextIO) -> None:
    if "JOURNAL_STREAM" in os.environ:
        from ringtide_agent.adapters.journal_log import JournalHandler, is_journal

        if is_journal():
            logging.basicConfig(handlers=[JournalHandler()])
            return
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=stream)


def _failed(message: str, fix: str, code: int) -> int:
    line = " ".join(message.split())
    end = "" if line.endswith((".", "?")) else "."
    click.echo(f"error: {line}" + ("" if "fix: " in line else f"{end} fix: {fix}"), err=True)
    return code
