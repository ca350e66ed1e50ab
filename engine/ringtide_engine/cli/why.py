"""`ringtide why`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import repository_options


@click.command("why")
@click.argument("device", shell_complete=names.devices)
@repository_options()
@rendering.output_option("table", "json", "yaml")
def why_command(device: str, fleet: Path, reports: Path, branch: str, output: rendering.Output) -> int:
    """Say why DEVICE runs what it runs, and what it waits for.

    Names the placement, the rollout with bucket and cuts, the last verdict, the last report, and the commits that
    decided it.
    """
    from ringtide_contract.ids import format_instant
    from ringtide_engine.render.untrusted import log_line
    from ringtide_engine.workflows.why import why

    repositories = wiring.fleet_repository(fleet), wiring.reports_repository(reports)
    found = why(*repositories, device, now=wiring.clock().now(), branch=branch)
    if output != "table":
        rendering.write(found.to_dict(), output)
        return OK
    click.echo(f"{found.device}: {found.state}, class {found.class_id or 'none'}, stratum {found.stratum or 'none'}")
    for model in found.models:
        shall = f"{model.release} ({model.variant})" if model.release else "nothing"
        click.echo(f"\n{model.model}: shall run {shall}")
        for reason in model.because:
            click.echo(f"  because {reason}" if not reason.startswith("- ") else f"    {reason}")
        click.echo(f"  stands: {log_line(model.stands)}")
        for path, commit in model.commits:
            click.echo(f"  commit {commit[:12]} {path}")
    record = found.record
    if record is None:
        click.echo("\nno report was ever collected from it")
    else:
        click.echo(f"\nlast report: {record.number}, ingested {format_instant(record.ingested_at)}, {record.gaps} gaps")
        if record.account.folded or record.account.missing:
            click.echo(
                f"  reports that the device could not keep: {record.account.folded}; not accounted for: {record.account.missing}"
            )
    if found.alert is not None:
        click.echo(f"  {found.alert}")
    if found.connected is not None:
        said = "connected" if found.connected else "gone"
        click.echo(f"its broker said at the last collection: {said} (a hint, never evidence)")
    for condition in found.conditions:
        click.echo(f"  {log_line(condition)}")
    return OK
