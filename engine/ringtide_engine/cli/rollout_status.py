"""`ringtide rollout status`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import repository_options

if TYPE_CHECKING:
    from ringtide_engine.workflows.status import RolloutStatus


@click.command("status")
@click.argument("name", required=False, shell_complete=names.rollouts)
@repository_options()
@rendering.output_option("table", "json", "yaml")
def status_command(name: str | None, fleet: Path, reports: Path, branch: str, output: rendering.Output) -> int:
    """Show where rollouts stand: rings, gates with their numbers, what is waited for, since when, until when.

    NAME is a rollout; all of them where it is left out.
    """
    from ringtide_engine.workflows.status import status

    found = status(
        wiring.fleet_repository(fleet),
        wiring.reports_repository(reports),
        now=wiring.clock().now(),
        name=name,
        branch=branch,
    )
    if output != "table":
        rendering.write([each.to_dict() for each in found], output)
        return OK
    for each in found:
        _show(each)
    if not found:
        rendering.talk("there is no rollout")
    return OK


def _show(each: "RolloutStatus") -> None:
    from ringtide_contract.ids import format_instant

    pipeline = " → ".join(f"{ring.name} [{ring.stage}]" for ring in each.rings)
    click.echo(f"{each.name}: {each.candidate} on {each.placement}, {each.phase}\n  {pipeline}\n")
    rows = [
        (ring.name, ring.stage, *map(str, (ring.exposed, ring.reachable, ring.confirmed, ring.failed)))
        for ring in each.rings
    ]
    rendering.write_table(("ring", "stage", "exposed", "reachable", "confirmed", "failed"), rows)
    gates = [(gate.ring, gate.metric, gate.answer, gate.text) for ring in each.rings for gate in ring.gates]
    if gates:
        click.echo()
        rendering.write_table(("ring", "gate", "answer", "figures"), gates)
    if each.next is not None or each.reasons:
        click.echo(f"\nnext: {each.next or 'nothing'}")
    for reason in each.reasons:
        click.echo(f"  - {reason}")
    if each.would_change:
        click.echo("what would change it:")
    for advice in each.would_change:
        click.echo(f"  - {advice}")
    if each.since is not None and each.until is not None:
        click.echo(f"  waiting since {format_instant(each.since)}, stuck from {format_instant(each.until)}")
    if each.last is not None:
        click.echo(f"last verdict: {each.last.kind} at {format_instant(each.last.at)}, {each.last.evidence}")
    click.echo()
