"""`ringtide model`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_contract.manifest import Budget
    from ringtide_engine.workflows.add_model import AddedRelease, SourceFile

T = TypeVar("T")


def _pairs(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:  # noqa: ARG001
    """Read `NAME=VALUE`, each name once."""
    pairs: dict[str, str] = {}
    for each in values:
        name, sign, value = each.partition("=")
        if not (name and sign and value):
            raise click.BadParameter(f"{each!r} is not NAME=VALUE")
        if name in pairs:
            raise click.BadParameter(f"{name} is given twice")
        pairs[name] = value
    return pairs


def _classes(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Mapping[str, tuple[str, str]]:  # noqa: ARG001
    """Read `CLASS:p95=LATENCY,memory=SIZE`, each class once."""
    classes: dict[str, tuple[str, str]] = {}
    for each in values:
        name, _, rest = each.partition(":")
        costs = dict(part.partition("=")[::2] for part in rest.split(","))
        if not name or rest.count(",") != 1 or costs.keys() != {"p95", "memory"}:
            raise click.BadParameter(f"{each!r} is not CLASS:p95=20ms,memory=160MiB")
        if name in classes:
            raise click.BadParameter(f"{name} is given twice")
        classes[name] = costs["p95"], costs["memory"]
    return classes


@click.group("model")
def model_command() -> None:
    """Bring models into the fleet repository."""


@model_command.command("add")
@click.argument("model")
@click.argument("version")
@fleet_option()
@click.option(
    "--variant",
    "variants",
    multiple=True,
    required=True,
    callback=_pairs,
    metavar="NAME=FILE",
    help="A form of the model, such as fp32=model.onnx; the first that fits a device runs there. Several times.",
)
@click.option(
    "--memory",
    multiple=True,
    required=True,
    callback=_pairs,
    metavar="NAME=SIZE",
    help="Memory that a variant's process needs, such as fp32=96MiB. Once for each variant.",
)
@click.option("--golden", type=click.Path(path_type=Path), metavar="FILE", help="Golden set: inputs, known outputs.")
@click.option(
    "--golden-tolerance",
    "tolerances",
    multiple=True,
    callback=_pairs,
    metavar="NAME=NUMBER",
    help="Largest difference of a variant to the golden set; measured with onnxruntime where it is left out.",
)
@click.option("--store", required=True, metavar="NAME", help="Artifact store of fleet.yaml that takes the files.")
@click.option(
    "--outbox",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Lay the files here, named by digest, for the owner of a store that is read only.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    required=True,
    callback=_classes,
    metavar="CLASS:p95=TIME,memory=SIZE",
    help="What it may cost on a hardware class, such as edge-m:p95=20ms,memory=160MiB. Several times.",
)
@click.option("--licence", required=True, metavar="SPDX", help="SPDX licence expression, such as Apache-2.0.")
@click.option(
    "--risk-tier", type=click.Choice(["low", "medium", "high"]), default="medium", show_default=True, help="Risk tier."
)
@click.option(
    "--onnxruntime", default=">=1.20", show_default=True, metavar="RANGE", help="Versions of onnxruntime it needs."
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    callback=_pairs,
    metavar="METRIC=VALUE",
    help="What you measured, such as accuracy=0.95, for the model card. Several times.",
)
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
    dry_run: bool,
    output: rendering.Output,
) -> int:
    """Add VERSION of MODEL: store its files and write models/MODEL/VERSION.yaml.

    Reads opset, inputs and outputs from the ONNX files, measures how far each variant is from the golden set, and
    attaches a bill of materials (CycloneDX). A release never changes: a version that exists is refused.
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
                file=_source(Path(file)),
                memory_bytes=_parsed("--memory", units.size, memory[name]),
                tolerance_ppm=_parsed("--golden-tolerance", units.tolerance_ppm, tolerances[name])
                if name in tolerances
                else None,
            )
            for name, file in variants.items()
        ),
        golden=None if golden is None else _source(golden),
        store=store,
        budgets={name: _budget(*costs) for name, costs in budgets.items()},
        licence=licence,
        risk_tier=risk_tier,
        onnxruntime=_parsed("--onnxruntime", units.version_range, onnxruntime),
        figures=tuple(Figure(metric=metric, value=value, variant=None) for metric, value in figures.items()),
    )
    added = add_model(
        new,
        read_folder(fleet),
        models=wiring.model_files(),
        check_sbom=wiring.check_sbom,
        open_store=lambda address: wiring.store(address if outbox is None else outbox.absolute().as_uri()),
        dry_run=dry_run,
    )
    if not dry_run:
        write_file(fleet / added.release.path, added.text)
    _show(added, dry_run=dry_run, output=output)
    return OK


def _source(path: Path) -> "SourceFile":
    from ringtide_engine.cli.work_tree import read_file
    from ringtide_engine.workflows.add_model import SourceFile

    return SourceFile(name=str(path), content=read_file(path))


def _budget(latency: str, memory: str) -> "Budget":
    from ringtide_contract.manifest import Budget
    from ringtide_engine.load import units

    return Budget(
        p95_latency_us=_parsed("--budget", units.latency_us, latency),
        peak_memory_bytes=_parsed("--budget", units.size, memory),
    )


def _parsed(option: str, parse: Callable[[Any], T], text: str) -> T:
    try:
        return parse(text)
    except InputError as error:
        raise click.UsageError(f"{option}: {error}") from error


def _show(added: "AddedRelease", *, dry_run: bool, output: rendering.Output) -> None:
    from ringtide_engine.workflows.add_model import tolerance_text

    release = added.release
    measured = {name: None if each is None else f"{each:.6f}" for name, each in added.differences.items()}
    if output == "json":
        files = [*(each.file for each in release.variants), release.golden, release.sbom]
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "ModelAddResult",
            "path": release.path,
            "dryRun": dry_run,
            "text": added.text.decode("utf-8"),
            "variants": [
                {
                    "name": each.name,
                    "opset": each.opset,
                    "goldenDifference": measured[each.name],
                    "goldenTolerance": tolerance_text(each.golden_tolerance_ppm),
                }
                for each in release.variants
            ],
            "files": [
                {"name": each.name, "sha256": each.sha256, "size": each.size_bytes, "uri": added.uris.get(each.sha256)}
                for each in files
                if each is not None
            ],
        }
        rendering.write(document, "json")
    elif dry_run:
        click.echo(added.text.decode("utf-8"), nl=False)
    else:
        rows = [
            (
                each.name,
                str(each.file.size_bytes),
                str(each.opset),
                measured[each.name] or "-",
                tolerance_text(each.golden_tolerance_ppm),
                each.file.sha256,
            )
            for each in release.variants
        ]
        rendering.write_table(("variant", "bytes", "opset", "golden difference", "tolerance", "sha256"), rows)
    rendering.talk(
        "nothing is written, this is a dry run" if dry_run else f"wrote {release.path}; next: ringtide check"
    )
