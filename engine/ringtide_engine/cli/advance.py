"""`ringtide advance`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import CHANGES, OK
from ringtide_engine.cli.repositories import custody_options, repository_options

if TYPE_CHECKING:
    from ringtide_engine.workflows.publish import Publisher


@click.command("advance")
@repository_options(reports=False)
@click.option(
    "--replay", metavar="COMMIT", help="Judge nothing; recompute the verdicts of a commit from their evidence."
)
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and commit nothing.")
@custody_options(required=False, purpose=": publish, too")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where a verdict is new.")
@rendering.output_option("table", "json")
def advance_command(
    fleet: Path,
    reports: Path | None,
    branch: str,
    replay: str | None,
    dry_run: bool,
    statement_keys: Path | None,
    tuf_keys: Path | None,
    detailed_exitcode: bool,
    output: rendering.Output,
) -> int:
    """Judge the rollouts by the collected reports: promote, hold or roll back.

    New verdicts are commits with their evidence on progress/, quarantine/ and incidents/, and touch nothing else.
    Devices hear of them by the next publication: at once where both key folders are given, else by `ringtide publish`.
    With --replay, exit code 4 where the verdicts of COMMIT do not follow from their evidence byte for byte, or, where
    --reports is given, the evidence not from the reports.
    """
    if replay is not None:
        return _replay(fleet, reports, replay)
    if reports is None:
        raise click.UsageError("Missing option '--reports'.")
    if (statement_keys is None) != (tuf_keys is None):
        raise click.UsageError("give both --statement-keys and --tuf-keys, or neither")
    from ringtide_engine.workflows.advance import advance

    repository = wiring.fleet_repository(fleet)
    publisher = None
    if statement_keys is not None and tuf_keys is not None:
        publisher = wiring.publisher(repository, statement_keys, tuf_keys)
    result = advance(
        repository, wiring.reports_repository(reports), now=wiring.clock().now(), branch=branch, dry_run=dry_run
    )
    if output == "json":
        verdicts = [
            {"rollout": item.verdict.rollout, "new": item.recorded, **item.verdict.to_dict()} for item in result.judged
        ]
        rendering.write({"commits": list(result.commits), "verdicts": verdicts}, "json")
    for item in result.judged if output == "table" else ():
        would = "would " if dry_run and item.recorded else ""
        known = "" if item.recorded else " (as before)"
        click.echo(f"{item.verdict.rollout}: {would}{item.verdict.kind}{known}")
        for reason in item.verdict.reasons:
            click.echo(f"  - {reason.text}")
    for commit in result.commits if output == "table" else ():
        rendering.talk(f"committed {commit}")
    if not result.judged:
        rendering.talk("no rollout is under way")
    if publisher is not None and not dry_run:
        _publish(publisher)
    return CHANGES if detailed_exitcode and any(item.recorded for item in result.judged) else OK


def _replay(fleet: Path, reports: Path | None, revision: str) -> int:
    from ringtide_engine.workflows.advance import replay

    repository = wiring.fleet_repository(fleet)
    commit = repository.commit_of(revision)
    replay(repository, commit, reports=None if reports is None else wiring.reports_repository(reports))
    what = "the evidence gives the same bytes" if reports is None else "reports and evidence give the same bytes"
    click.echo(f"{commit}: {what}")
    return OK


def _publish(publisher: "Publisher") -> None:
    """Publish; a plan has to be approved only for what people changed since the last publication."""
    from ringtide_engine.workflows.publish import Approval, publish

    outcome = publish(publisher, Approval(), wiring.clock().now())
    rendering.talk(f"{outcome.kind} generation {outcome.generation}")
