"""`ringtide runtime`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.model import budget, parsed, read
from ringtide_engine.cli.pair_options import classes
from ringtide_engine.cli.release_options import file_options, risk_tier_option
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.workflows.add_agent import AddedAgent


@click.group("runtime")
def runtime_command() -> None:
    """Bring versions of the agent itself into the fleet repository."""


@runtime_command.command("add")
@click.argument("version")
@fleet_option()
@click.option(
    "--archive",
    "archives",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `make runtime` made, one for each CPU architecture. Several times.",
)
@file_options
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    required=True,
    callback=classes,
    metavar="CLASS:p95=TIME,memory=SIZE",
    help="What all models together may cost on a hardware class, such as edge-m:p95=20ms,memory=512MiB. Several times.",
)
@click.option(
    "--memory", default="128MiB", show_default=True, metavar="SIZE", help="Memory that the agent needs without a model."
)
@click.option("--licence", default="Apache-2.0", show_default=True, metavar="SPDX", help="SPDX licence expression.")
@risk_tier_option
@click.option("--owner", metavar="TEXT", help="Who answers for it, such as @example/devices.")
@click.option("--dry-run", is_flag=True, help="Check everything; store and write nothing.")
@rendering.output_option("table", "json")
def add_command(
    version: str,
    fleet: Path,
    archives: tuple[Path, ...],
    store: str,
    outbox: Path | None,
    budgets: Mapping[str, tuple[str, str]],
    memory: str,
    licence: str,
    risk_tier: str,
    owner: str | None,
    dry_run: bool,
    output: rendering.Output,
) -> int:
    """Add VERSION of the agent: store its archives and write models/ringtide-agent/VERSION.yaml.

    Place and roll it out like a model; devices that have the package take it through the rings.
    """
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.load import units
    from ringtide_engine.workflows.add_agent import NewAgent, add_agent

    new = NewAgent(
        version=version,
        archives=tuple(read(path) for path in archives),
        memory_bytes=parsed("--memory", units.size, memory),
        store=store,
        budgets={name: budget(*costs) for name, costs in budgets.items()},
        licence=licence,
        risk_tier=risk_tier,
        owner=owner,
    )
    added = add_agent(
        new,
        read_folder(fleet),
        read=wiring.agent_archive,
        check_sbom=wiring.check_sbom,
        open_store=lambda address: wiring.store(address if outbox is None else outbox.absolute().as_uri()),
        dry_run=dry_run,
    )
    if not dry_run:
        write_file(fleet / added.release.path, added.text)
    _show(added, dry_run=dry_run, output=output)
    return OK


def _show(added: "AddedAgent", *, dry_run: bool, output: rendering.Output) -> None:
    path = added.release.path
    if output == "json":
        variants = [
            {
                "arch": each.name,
                "agent": added.archives[each.name].agent,
                "onnxruntime": added.archives[each.name].onnxruntime,
                "python": added.archives[each.name].python,
                "sha256": each.file.sha256,
                "size": each.file.size_bytes,
                "uri": added.uris.get(each.file.sha256),
            }
            for each in added.release.variants
        ]
        text = added.text.decode("utf-8")
        document = {"path": path, "dryRun": dry_run, "text": text, "variants": variants}
        rendering.write({"apiVersion": "ringtide/v1", "kind": "RuntimeAddResult", **document}, "json")
    elif dry_run:
        click.echo(added.text.decode("utf-8"), nl=False)
    else:
        named = [(each, added.archives[each.name]) for each in added.release.variants]
        rows = [
            (each.name, facts.agent, facts.onnxruntime, facts.python, str(each.file.size_bytes), each.file.sha256)
            for each, facts in named
        ]
        rendering.write_table(("arch", "agent", "onnxruntime", "python", "bytes", "sha256"), rows)
    rendering.talk("nothing is written, this is a dry run" if dry_run else f"wrote {path}; next: ringtide check")
