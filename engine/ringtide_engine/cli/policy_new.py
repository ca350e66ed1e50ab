"""`ringtide policy new`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_contract.errors import InputError
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.model.policy import RuleLanguage


@click.command("new")
@click.argument("name", metavar="ID")
@fleet_option()
@click.option("--selects", "kind", default="Release", show_default=True, metavar="KIND", help="What the rule judges.")
@click.option(
    "--language",
    type=click.Choice(["cel", "rego"]),
    default="cel",
    show_default=True,
    help="Language of the condition.",
)
@click.option("--dry-run", is_flag=True, help="Show the files; write nothing.")
def new_command(name: str, fleet: Path, kind: str, language: "RuleLanguage", dry_run: bool) -> int:
    """Begin a rule of your own: policies/ID/ with a condition, a suite and two samples.

    What is written passes `ringtide policy test .` as it stands; nothing is ever overwritten.
    """
    from ringtide_engine.cli.work_tree import read_rules, write_file
    from ringtide_engine.render.explain import nearest
    from ringtide_engine.shipped import rule_library
    from ringtide_engine.workflows.new_rule import new_rule, rule_kinds

    if kind not in rule_kinds():
        near = nearest(kind, rule_kinds())
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(rule_kinds())}"
        raise click.UsageError(f"a rule selects no {kind[:80]!r}; {hint}")
    if not (fleet / "fleet.yaml").is_file():
        raise InputError(f"{fleet} is no fleet repository: it has no fleet.yaml; `ringtide init` makes one")
    there = read_rules(fleet) if (fleet / "policies").is_dir() else {}
    files = new_rule(name, kind, there, rule_library(), language)
    if (fleet / "policies" / name).exists():
        raise InputError(f"policies/{name} exists, and nothing is overwritten: give the rule another id")
    for path, content in files.items():
        if dry_run:
            click.echo(f"# {path}\n{content.decode('utf-8')}")
        else:
            write_file(fleet / path, content)
            click.echo(path)
    rendering.talk(
        "nothing is written, this is a dry run"
        if dry_run
        else f"next: ringtide policy test {fleet}; then choose {name} in a policy set of policies/"
    )
    return OK
