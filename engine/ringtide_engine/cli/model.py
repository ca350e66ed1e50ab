"""`ringtide model`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.added_release import show
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.pair_options import classes, pairs
from ringtide_engine.cli.release_options import file_options, risk_tier_option
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_contract.manifest import Budget
    from ringtide_engine.workflows.add_model import SourceFile

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def _file_option(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, type=click.Path(path_type=Path), metavar="FILE", help=text)


@click.group("model")
def model_command() -> None:
    """Bring models into the fleet repository."""


@model_command.command("add")
@click.argument("model", shell_complete=names.models)
@click.argument("version")
@fleet_option()
@click.option(
    "--variant",
    "variants",
    multiple=True,
    required=True,
    callback=pairs,
    metavar="NAME=FILE",
    help="A form of the model, such as fp32=model.onnx; the first that fits a device runs there. Several times.",
)
@click.option(
    "--memory",
    multiple=True,
    required=True,
    callback=pairs,
    metavar="NAME=SIZE",
    help="Memory that a variant's process needs, such as fp32=96MiB. Once for each variant.",
)
@click.option("--golden", type=click.Path(path_type=Path), metavar="FILE", help="Golden set: inputs, known outputs.")
@click.option(
    "--golden-tolerance",
    "tolerances",
    multiple=True,
    callback=pairs,
    metavar="NAME=NUMBER",
    help="Largest difference of a variant to the golden set; measured with onnxruntime where it is left out.",
)
@file_options
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    required=True,
    callback=classes,
    metavar="CLASS:p95=TIME,memory=SIZE",
    help="What it may cost on a hardware class, such as edge-m:p95=20ms,memory=160MiB. Several times.",
)
@click.option("--licence", required=True, metavar="SPDX", help="SPDX licence expression, such as Apache-2.0.")
@risk_tier_option
@click.option(
    "--onnxruntime", default=">=1.20", show_default=True, metavar="RANGE", help="Versions of onnxruntime it needs."
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    callback=pairs,
    metavar="METRIC=VALUE",
    help="What you measured, such as accuracy=0.95, for the model card. Several times.",
)
@click.option("--owner", metavar="TEXT", help="Who answers for it, such as @example/vision.")
@click.option("--disjoint", metavar="TEXT", help="How the golden set was kept apart from the training data.")
@click.option(
    "--residency", multiple=True, metavar="REGION", help="Region where it may run, such as eu. Several times."
)
@_file_option("--model-card", "Model card: what the model is for, how well it does.")
@_file_option("--drift-reference", "What drift of inputs and outputs is measured against.")
@_file_option("--provenance", "How the files were built: an in-toto statement, signed or not.")
@_file_option("--signature", "Signature of the model's makers, such as a sigstore bundle.")
@click.option("--dry-run", is_flag=True, help="Check and measure everything; store and write nothing.")
@rendering.output_option("table", "json")
def add_command(
    model: str,
    version: str,
    fleet: Path,
    variants: Mapping[str, str],
    memory: Mapping[str, str],
    golden: Path | None,
    tolerances: Mapping[str, str],
    store: str,
    outbox: Path | None,
    budgets: Mapping[str, tuple[str, str]],
    licence: str,
    risk_tier: str,
    onnxruntime: str,
    figures: Mapping[str, str],
    owner: str | None,
    disjoint: str | None,
    residency: tuple[str, ...],
    model_card: Path | None,
    drift_reference: Path | None,
    provenance: Path | None,
    signature: Path | None,
    dry_run: bool,
    output: rendering.Output,
) -> int:
    """Add VERSION of MODEL: store its files and write models/MODEL/VERSION.yaml.

    Reads opset, inputs and outputs from the ONNX files, measures how far each variant is from the golden set, and
    attaches a bill of materials (CycloneDX). Of what speaks for the release, it writes down which of the release's files
    the bill, the provenance and the signature name. Where devices run another release of MODEL, it makes deltas from that
    one, and keeps those of at most 70% of the whole file. A release never changes: a version that exists is refused.
    """
    if memory.keys() != variants.keys():
        raise click.UsageError(f"give --memory once for each variant: {', '.join(variants)}")
    if not tolerances.keys() <= variants.keys():
        raise click.UsageError(f"--golden-tolerance names what is no variant; there are {', '.join(variants)}")
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.compile.sbom import Figure
    from ringtide_engine.load import units
    from ringtide_engine.workflows.add_model import NewRelease, NewVariant, add_model

    new = NewRelease(
        model=model,
        version=version,
        variants=tuple(
            NewVariant(
                name=name,
                file=read(Path(file)),
                memory_bytes=parsed("--memory", units.size, memory[name]),
                tolerance_ppm=parsed("--golden-tolerance", units.tolerance_ppm, tolerances[name])
                if name in tolerances
                else None,
            )
            for name, file in variants.items()
        ),
        golden=_source(golden),
        store=store,
        budgets={name: budget(*costs) for name, costs in budgets.items()},
        licence=licence,
        risk_tier=risk_tier,
        onnxruntime=parsed("--onnxruntime", units.version_range, onnxruntime),
        figures=tuple(Figure(metric=metric, value=value, variant=None) for metric, value in figures.items()),
        owner=owner,
        disjoint=disjoint,
        residency=residency,
        model_card=_source(model_card),
        drift_reference=_source(drift_reference),
        provenance=_source(provenance),
        signature=_source(signature),
    )
    added = add_model(
        new,
        read_folder(fleet),
        models=wiring.model_files(),
        check_sbom=wiring.check_sbom,
        open_store=lambda address: wiring.store(address if outbox is None else outbox.absolute().as_uri()),
        open_running=wiring.store,
        make_delta=wiring.make_delta,
        dry_run=dry_run,
    )
    if not dry_run:
        write_file(fleet / added.release.path, added.text)
    show(added, dry_run=dry_run, output=output)
    return OK


@model_command.command("drift-reference")
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("rows", type=click.Path(path_type=Path))
@click.option(
    "--window", type=int, metavar="ROWS", help="Rows that a device holds against it together; 500 if so many."
)
def drift_reference_command(graph: Path, rows: Path, window: int | None) -> int:
    """Write how the inputs and answers of GRAPH spread over ROWS, for `model add --drift-reference`.

    ROWS is an .npz file with an array for each input, rows first, that the model has not been trained on. Devices count
    how many windows of live requests are unlike it; the gate `drift` looks at these counts.
    """
    made = wiring.drift_reference(str(graph), read(graph).content, str(rows), read(rows).content, window)
    click.echo(made.decode(), nl=False)
    return OK


def _source(path: Path | None) -> "SourceFile | None":
    return None if path is None else read(path)


def read(path: Path) -> "SourceFile":
    """Read a file that a person names."""
    from ringtide_engine.cli.work_tree import read_file
    from ringtide_engine.workflows.add_model import SourceFile

    return SourceFile(name=str(path), content=read_file(path))


def budget(latency: str, memory: str) -> "Budget":
    """Read what `--budget` says of one hardware class."""
    from ringtide_contract.manifest import Budget
    from ringtide_engine.load import units

    return Budget(
        p95_latency_us=parsed("--budget", units.latency_us, latency),
        peak_memory_bytes=parsed("--budget", units.size, memory),
    )


def parsed(option: str, parse: Callable[[Any], T], text: str) -> T:
    """Read the value of an option; a mistake names the option."""
    try:
        return parse(text)
    except InputError as error:
        raise click.UsageError(f"{option}: {error}") from error
