"""`ringtide rollout history`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option


@click.command("history")
@click.argument("name", shell_complete=names.rollouts)
@fleet_option()
@click.option("--branch", default="main", show_default=True, metavar="NAME", help="Branch of the desired state.")
@rendering.output_option("table", "json", "yaml")
def history_command(name: str, fleet: Path, branch: str, output: rendering.Output) -> int:
    """List the verdicts about rollout NAME, newest first: when, what, why, the evidence and the commit."""
    from ringtide_contract.ids import format_instant
    from ringtide_engine.workflows.history import history

    found = history(wiring.fleet_repository(fleet), name, branch=branch)
    if output != "table":
        rendering.write([each.to_dict() for each in found], output)
        return OK
    for each in found:
        commit = each.commit[:12] if each.commit else "no commit"
        ring = f", ring {each.ring}" if each.ring else ""
        click.echo(f"{format_instant(each.at)} {each.kind}{ring}, {each.phase}  {commit} {each.evidence}")
        for reason in each.reasons:
            click.echo(f"  - {reason}")
    return OK
