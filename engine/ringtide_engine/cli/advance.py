"""`ringtide advance`."""

from pathlib import Path

import click

from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import CHANGES, OK
from ringtide_engine.cli.repositories import repository_options


@click.command("advance")
@repository_options()
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and commit nothing.")
@click.option("--statement-keys", type=click.Path(path_type=Path), help="Folder of the statement key: publish, too.")
@click.option("--tuf-keys", type=click.Path(path_type=Path), help="Folder of the online TUF keys: publish, too.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where a verdict is new.")
@rendering.output_option("table", "json")
def advance_command(
    fleet: Path,
    reports: Path,
    branch: str,
    dry_run: bool,
    statement_keys: Path | None,
    tuf_keys: Path | None,
    detailed_exitcode: bool,
    output: rendering.Output,
) -> int:
    """Judge the rollouts by the collected reports: promote, hold or roll back.

    New verdicts are commits with their evidence on progress/, quarantine/ and incidents/, and touch nothing else.
    Devices hear of them by the next publication: at once where both key folders are given, else by `ringtide publish`.
    """
    if (statement_keys is None) != (tuf_keys is None):
        raise click.UsageError("give both --statement-keys and --tuf-keys, or neither")
    from ringtide_engine.adapters.git_repository import GitRepository
    from ringtide_engine.adapters.system_clock import SystemClock
    from ringtide_engine.workflows.advance import advance

    result = advance(
        GitRepository(fleet), GitRepository(reports), now=SystemClock().now(), branch=branch, dry_run=dry_run
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
    if statement_keys is not None and tuf_keys is not None and not dry_run:
        _publish(fleet, statement_keys, tuf_keys)
    return CHANGES if detailed_exitcode and any(item.recorded for item in result.judged) else OK


def _publish(fleet: Path, statement_keys: Path, tuf_keys: Path) -> None:
    """Publish; a plan has to be approved only for what people changed since the last publication."""
    from ringtide_engine.adapters.cel_conditions import CelConditions
    from ringtide_engine.adapters.git_repository import GitRepository
    from ringtide_engine.adapters.key_folders import FolderStatementSigner
    from ringtide_engine.adapters.system_clock import SystemClock
    from ringtide_engine.adapters.tuf_custody import TufCustody
    from ringtide_engine.workflows.advance import replay
    from ringtide_engine.workflows.publish import Approval, Publisher, publish

    publisher = Publisher(
        repository=GitRepository(fleet),
        statement=FolderStatementSigner(statement_keys),
        tuf=TufCustody(tuf_keys),
        policies=CelConditions(),
        replay=replay,
    )
    outcome = publish(publisher, Approval(), SystemClock().now())
    rendering.talk(f"{outcome.kind} generation {outcome.generation}")
