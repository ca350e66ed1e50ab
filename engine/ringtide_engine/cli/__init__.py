"""The command line `ringtide`: one file per verb, imported when the verb is called.

Diet: click. Everything else is imported inside the verbs, so that `--help` answers at once.
"""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    from ringtide_engine.cli.main import run

    raise SystemExit(run())
