"""Exit codes, and what each failure looks like to a person: one line, what to do, no traceback."""

import sys
import traceback
from typing import Final

import click

from ringtide_contract.errors import InputError, TransientError, TrustError

OK: Final = 0
FAILED: Final = 1
CHANGES: Final = 2
"""Only with `--detailed-exitcode`, and from `ringtide fmt --check`."""
FINDINGS: Final = 3
REFUSED: Final = 4
"""Trust: not authentic, not fresh, not meant for us."""
NOT_CONVERGED: Final = 5
USAGE: Final = 64
INTERRUPTED: Final = 130


def exit_code(error: BaseException, *, debug: bool) -> int:
    """Say on stderr what went wrong, and return the exit code for it.

    Args:
        error: What a verb raised.
        debug: Show where it was raised, too.
    """
    if debug and not isinstance(error, (click.exceptions.Exit, SystemExit)):
        traceback.print_exception(error, file=sys.stderr)
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else OK if error.code is None else FAILED
        case click.UsageError():
            error.show(sys.stderr)
            return USAGE
        case click.exceptions.Abort() | KeyboardInterrupt():
            return _say("interrupted", INTERRUPTED)
        case click.ClickException():
            return _say(f"error: {error.format_message()}", FAILED)
        case TrustError():
            return _say(f"refused: {error}", REFUSED)
        case TransientError():
            return _say(f"failed: {error}\nTrying again later may help.", FAILED)
        case InputError():
            return _input_error(error)
        case BrokenPipeError():  # the reader, such as `head`, has seen enough
            return FAILED
        case _:
            said = f"error: {type(error).__name__}: {str(error)[:300]}"
            return _say(
                f"{said}\nThis is a defect of ringtide. Run again with --debug and report what it shows.", FAILED
            )


def _input_error(error: InputError) -> int:
    from ringtide_engine.model.finding import FindingsError

    if not isinstance(error, FindingsError):
        return _say(f"error: {error}", FAILED)
    from ringtide_engine.cli.rendering import findings_text

    click.echo(findings_text(error.findings, {}), err=True)
    return _say(f"error: {error}", FINDINGS)


def _say(text: str, code: int) -> int:
    click.echo(text, err=True)
    return code
