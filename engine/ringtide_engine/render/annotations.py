"""Findings as GitHub workflow commands, which show them beside the lines of a pull request."""

from collections.abc import Sequence

from ringtide_engine.model.finding import Finding
from ringtide_engine.render.findings_json import worst_first
from ringtide_engine.render.untrusted import command_data, command_property, plain

MOST = 9
"""GitHub shows ten of a kind from one step and drops the others in silence; the tenth says how many there are."""

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def annotations(findings: Sequence[Finding]) -> str:
    """Write the worst findings as workflow commands, and a last one that counts the others.

    Args:
        findings: What was found.
    """
    ordered = worst_first(findings)
    lines = [_command(each) for each in ordered[:MOST]]
    if len(ordered) > MOST:
        command = _COMMANDS[ordered[MOST].severity]
        lines.append(f"::{command} title=ringtide::+{len(ordered) - MOST} more in the job summary")
    return "".join(f"{line}\n" for line in lines)


def _command(each: Finding) -> str:
    properties = {
        "file": each.place.path.encode("utf-8", "replace").decode("utf-8"),
        "line": str(each.place.line),
        "col": str(each.place.column),
        "title": plain(each.rule),
    }
    named = ",".join(f"{name}={command_property(value)}" for name, value in properties.items())
    said = command_data(f"{plain(each.message)}\n{plain(each.fix)}")
    return f"::{_COMMANDS[each.severity]} {named}::{said}"
