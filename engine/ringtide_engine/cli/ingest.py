"""`ringtide ingest`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import repository_options


@click.command("ingest")
@repository_options()
@click.option("--collector", default="main", show_default=True, metavar="NAME", help="Name of this collector.")
@click.option("--dry-run", is_flag=True, help="Say what would be accepted, and commit nothing.")
@rendering.output_option("table", "json")
def ingest_command(
    fleet: Path, reports: Path, branch: str, collector: str, dry_run: bool, output: rendering.Output
) -> int:
    """Collect the reports that devices have pushed.

    Checks each against the device's enrolled key and its chain, and commits what is new to the branch
    collected/<collector> of the reports repository. A refused report is a finding and stops no other.
    """
    from ringtide_engine.workflows.ingest import ingest

    result = ingest(
        wiring.fleet_repository(fleet),
        wiring.reports_repository(reports),
        collector=collector,
        now=wiring.clock().now(),
        branch=branch,
        dry_run=dry_run,
    )
    if output == "json":
        findings = rendering.findings_data(result.findings)
        rendering.write({"commit": result.commit, "accepted": result.accepted, "findings": findings}, "json")
    else:
        if result.findings:
            rendering.talk(rendering.findings_text(result.findings, {}))
        click.echo(f"{result.accepted} reports accepted, {rendering.summary(result.findings)}")
    return OK
