"""How results look: findings with their source line, tables, JSON, YAML, names."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import click

from ringtide_engine.model.finding import Finding, Severity
from ringtide_engine.render.findings_json import findings_data as findings_data  # verbs write findings by this module
from ringtide_engine.render.json_text import json_text
from ringtide_engine.render.untrusted import log_line

Command = TypeVar("Command", bound=Callable[..., Any])
Output = Literal["table", "wide", "json", "yaml", "name"]

MAX_LINE = 160
"""Longer source lines are cut; the place says where to look."""

_COLOURS: Mapping[Severity, str] = {"error": "red", "warning": "yellow", "info": "blue"}


def output_option(*kinds: Output) -> Callable[[Command], Command]:
    """Return the option `-o` with the kinds that a verb offers; the first is the default."""
    return click.option(
        "-o", "--output", type=click.Choice(kinds), default=kinds[0], show_default=True, help="How to write the result."
    )


def coloured(stream: Any) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR or a dumb terminal says otherwise."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or bool(stream.isatty())


def findings_text(findings: Sequence[Finding], files: Mapping[str, bytes], *, colour: bool = False) -> str:
    """Write findings for people: place, severity, rule, message, the source line, a caret, the fix.

    Args:
        findings: What was found.
        files: Sources by path; a finding whose file is not among them has no source line.
        colour: Whether to colour the severity.
    """
    return "\n".join(_finding(each, files.get(each.place.path), colour=colour) for each in findings)


def write_findings(findings: Sequence[Finding], files: Mapping[str, bytes]) -> None:
    """Write findings for people to stdout, coloured on a terminal."""
    colour = coloured(sys.stdout)
    click.echo(findings_text(findings, files, colour=colour), color=colour)


def summary(findings: Sequence[Finding]) -> str:
    """Count findings in words: `2 errors, 1 warning`, or `no findings`."""
    counts = {kind: sum(each.severity == kind for each in findings) for kind in _COLOURS}
    parts = [f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "no findings"


def write(data: Any, output: Output) -> None:
    """Write plain values to stdout as JSON or YAML; of `name`, one name a line."""
    if output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    elif output == "name":
        for each in data:
            click.echo(each)
    else:
        click.echo(json_text(data), nl=False)


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout, as wide as its content: upper case heads, two blanks between columns."""
    heads = [column.upper() for column in columns]
    cells = [heads, *([log_line(cell) for cell in row] for row in rows)]
    widths = [max(len(each[number]) for each in cells) for number in range(len(heads))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def talk(text: str) -> None:
    """Say something to the person at the terminal, on stderr."""
    click.echo(text, err=True)


def _finding(each: Finding, source: bytes | None, *, colour: bool) -> str:
    severity = click.style(each.severity, fg=_COLOURS[each.severity], bold=True) if colour else each.severity
    lines = [f"{log_line(str(each.place))}: {severity}[{each.rule}]: {log_line(each.message)}"]
    lines += _source(each, source) if source is not None else []
    return "\n".join([*lines, f"  fix: {log_line(each.fix)}"])


def _source(each: Finding, source: bytes) -> list[str]:
    lines = source.decode("utf-8", "replace").splitlines()
    if not 1 <= each.place.line <= len(lines):
        return []
    text = lines[each.place.line - 1].replace("\t", " ")
    if not text.isprintable() or len(text) > MAX_LINE or "##[" in text:
        return []
    caret = " " * min(each.place.column - 1, len(text)) + "^"
    number = f"  {each.place.line}"  # before the line, or a CI runner might read the line as a command
    return [f"{number} | {text}", f"{' ' * len(number)} | {caret}"]
