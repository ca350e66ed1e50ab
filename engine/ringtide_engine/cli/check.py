"""`ringtide check`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FINDINGS, OK
from ringtide_engine.cli.finding_files import FILES, finding_bytes, write_files
from ringtide_engine.model.finding import Finding, FindingsError


@click.command("check")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--base", metavar="REV", help="Commit or branch that the change starts from; guards against deletions.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Choice(["table", "json", "sarif", "junit", "github"]),
    help="How to write the result; table by default. Several, with --output-dir.",
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write findings.json, findings.sarif, junit.xml and annotations.txt into DIR, or those that -o names.",
)
def check_command(folder: Path, base: str | None, outputs: tuple[str, ...], output_dir: Path | None) -> int:
    """Say what is wrong with the desired state in FOLDER.

    Reads the files as they lie there, committed or not, and contacts nobody. Exit code 3 where a finding is an error.
    """
    if output_dir is None and len(set(outputs)) > 1:
        raise click.UsageError("several outputs need --output-dir")
    findings, files = _found(folder, base)
    if output_dir is not None:
        kinds = [kind for kind in FILES if kind in outputs or not outputs]
        write_files(output_dir, {FILES[kind]: finding_bytes(kind, findings, files) for kind in kinds})
    elif outputs and outputs[0] in FILES:
        click.echo(finding_bytes(outputs[0], findings, files), nl=False)
    if findings and ("table" in outputs or not outputs):
        rendering.write_findings(findings, files)
    passed = not any(each.severity == "error" for each in findings)
    rendering.talk(f"{'passed' if passed else 'refused'}: {rendering.summary(findings)}")
    return OK if passed else FINDINGS


def _found(folder: Path, base: str | None) -> tuple[Sequence[Finding], Mapping[str, bytes]]:
    """Return the findings and the files; of a folder with links and the like those findings alone, and no files."""
    from ringtide_engine.cli.work_tree import read_base, read_folder
    from ringtide_engine.workflows.check import check

    try:
        files = read_folder(folder)
    except FindingsError as error:
        return error.findings, {}
    base_files = read_base(folder, base) if base is not None else None
    return check(files, base_files, wiring.clock().now().date(), wiring.policies()).findings, files
