"""Runbooks are read at night: what they tell people to type exists, with those options and with those it asks for."""

import re
import shlex
from pathlib import Path

import click
import pytest

from ringtide_engine.cli.main import ringtide
from ringtide_engine.render.reasons import REASONS

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
HELD = (FOLDER / "held.md").read_text()
COMMANDS = sorted(
    {
        (page.name, command.strip())
        for page in FOLDER.glob("*.md")
        for quoted, line in re.findall(r"`(ringtide [^`\n]*)`|^(ringtide [^#\n]*)", page.read_text(), re.M)
        for command in [quoted or line]
        if "…" not in command.split()[:3]
    }
)


def test_every_page_has_commands():
    assert {page for page, _ in COMMANDS} == {page.name for page in FOLDER.glob("*.md")}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_exists_with_its_options_and_lacks_none(page: str, command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RINGTIDE_REPORTS", "reports")
    words = shlex.split(command)[1:]
    found: click.Command = ringtide
    context = click.Context(ringtide)
    while isinstance(found, click.Group):
        name, found, words = found.resolve_command(context, words)
        assert found is not None
        context = click.Context(found, info_name=name, parent=context)
    if words:
        found.parse_args(context, words)


def test_every_reason_to_hold_stands_in_its_runbook():
    holds = {code for code, reason in REASONS.items() if reason.verdict == "hold"} - {"completed"}
    assert len(holds) > 10
    assert [code for code in sorted(holds) if f"`{code}`" not in HELD] == []
