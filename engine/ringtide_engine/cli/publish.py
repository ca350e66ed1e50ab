"""`ringtide publish`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import custody_options, fleet_option

if TYPE_CHECKING:
    from ringtide_engine.model.publication import PublishOutcome


@click.command("publish")
@fleet_option()
@custody_options(required=False)
@click.option(
    "--handoff",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With one custody alone: where the signed statement goes from the one job to the other.",
)
@click.option("--plan", metavar="DIGEST", help="Digest of the plan that was reviewed.")
@click.option("--accept-unreviewed-plan", is_flag=True, help="Publish whatever the plan is: nobody has reviewed it.")
@click.option("--refresh", is_flag=True, help="Renew the freshness of what is published; take nothing new from main.")
@click.option(
    "--mqtt",
    metavar="URL",
    envvar="RINGTIDE_MQTT",
    show_envvar=True,
    help="Broker that tells devices at once: mqtts://host[:port].",
)
@click.option(
    "--mirror",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of a web server that devices may read in place of Git.",
)
@click.option("--dry-run", is_flag=True, help="Compute and check everything, sign and write nothing.")
@rendering.output_option("table", "json")
def publish_command(
    fleet: Path,
    statement_keys: Path | None,
    tuf_keys: Path | None,
    handoff: Path | None,
    plan: str | None,
    accept_unreviewed_plan: bool,
    refresh: bool,
    mqtt: str | None,
    mirror: Path | None,
    dry_run: bool,
    output: rendering.Output,
) -> int:
    """Compile the head of main, sign it, and commit it to the branch that devices follow.

    A change of what devices run needs --plan with the digest that `ringtide plan` prints; where only the judge has
    committed since, none is needed. Exit code 4 where the plan is another one, or a verdict does not follow from its
    evidence; nothing is written then.

    Two jobs may share the work, so that none holds all keys: with --statement-keys alone the statement is signed into
    the file of --handoff; with --tuf-keys alone it is read from there, compared with a compilation of its own, and
    published. Where there was nothing to sign, the file is not there.

    With --mirror, what is published is written as static files, too, also where nothing is new: DIR/latest names the
    newest state, whose files lie in DIR/states and never change. Earlier states stay for devices that read them still.
    """
    if sum((plan is not None, accept_unreviewed_plan, refresh)) > 1:
        raise click.UsageError("give one of --plan, --accept-unreviewed-plan and --refresh")
    both = statement_keys is not None and tuf_keys is not None
    if (handoff is not None) == both or (statement_keys is None and tuf_keys is None):
        raise click.UsageError("give --statement-keys and --tuf-keys, or one of them and --handoff")
    if mirror is not None and tuf_keys is None:
        raise click.UsageError("--mirror goes with --tuf-keys: the statement alone publishes nothing")
    from ringtide_contract.ids import parse_digest
    from ringtide_engine.workflows.mirror import show
    from ringtide_engine.workflows.publish import Approval, publish

    if plan is not None:
        try:
            parse_digest(plan)
        except InputError as error:
            raise click.UsageError(
                f"--plan takes the 64 hexadecimal digits that `ringtide plan` prints: {error}"
            ) from error
    repository = wiring.fleet_repository(fleet)
    publisher = wiring.publisher(repository, statement_keys, tuf_keys, mqtt)
    approval = Approval(plan=plan, unreviewed=accept_unreviewed_plan)
    handed = _read(handoff) if handoff is not None and statement_keys is None else None
    outcome = publish(publisher, approval, wiring.clock().now(), refresh=refresh, dry_run=dry_run, handed=handed)
    if handoff is not None and statement_keys is not None and not dry_run:
        _write(handoff, outcome.bundle)
    if output == "json":
        rendering.write({**_data(outcome), "dryRun": dry_run}, "json")
    else:
        _show(outcome, dry_run=dry_run)
    if outcome.hint_failed is not None:
        rendering.talk(f"devices learn of it at their next poll: {outcome.hint_failed}")
    if mirror is not None and not dry_run:
        show(repository, wiring.mirror(mirror))
        rendering.talk(f"the mirror {mirror} shows what is published")
    return OK


def _read(handoff: Path) -> bytes | None:
    from ringtide_contract.bundle import MAX_BUNDLE_BYTES

    try:
        with handoff.open("rb") as file:
            return file.read(MAX_BUNDLE_BYTES + 1)
    except FileNotFoundError:
        return None  # there was nothing to sign
    except OSError as error:
        raise InputError(f"cannot read {handoff}: {error.strerror}") from error


def _write(handoff: Path, bundle: bytes | None) -> None:
    try:
        handoff.unlink(missing_ok=True)  # what an earlier run has left there
        if bundle is not None:
            handoff.write_bytes(bundle)
    except OSError as error:
        raise InputError(
            f"cannot write {handoff}: {error.strerror}; the generation is burned, publish again"
        ) from error


def _data(outcome: "PublishOutcome") -> dict[str, Any]:
    from ringtide_engine.cli.plan_table import rows_data

    return {
        "apiVersion": "ringtide/v1",
        "kind": "PublishResult",
        "result": outcome.kind,
        "generation": outcome.generation,
        "source": outcome.source,
        "root": outcome.root,
        "plan": outcome.plan,
        "commit": outcome.commit,
        "rows": rows_data(outcome.rows),
    }


def _show(outcome: "PublishOutcome", *, dry_run: bool) -> None:
    from ringtide_engine.cli.plan_table import COLUMNS, plan_cells

    match outcome.kind:
        case "unchanged":
            said = f"unchanged: generation {outcome.generation} says it already"
        case kind if dry_run:
            after = (
                "as the first generation" if outcome.generation is None else f"after generation {outcome.generation}"
            )
            said = f"would be {kind}, {after}"
        case "signed":
            said = f"signed generation {outcome.generation}; the other custody publishes it"
        case kind:
            said = f"{kind} generation {outcome.generation}"
    if outcome.rows and outcome.kind in ("published", "signed"):
        rendering.write_table(COLUMNS, plan_cells(outcome.rows))
    click.echo(said)
    for name, value in (("source", outcome.source), ("root", outcome.root), ("plan", outcome.plan)):
        click.echo(f"  {name:<6} {value}")
    if outcome.commit is not None:
        click.echo(f"  commit {outcome.commit}")
