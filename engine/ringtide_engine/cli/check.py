"""`ringtide check`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FINDINGS, OK


@click.command("check")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--base", metavar="REV", help="Commit or branch that the change starts from; guards against deletions.")
@rendering.output_option("table", "json")
def check_command(folder: Path, base: str | None, output: rendering.Output) -> int:
    """Say what is wrong with the desired state in FOLDER.

    Reads the files as they lie there, committed or not, and contacts nobody. Exit code 3 where a finding is an error.
    """
    from ringtide_engine.cli.work_tree import read_base, read_folder
    from ringtide_engine.workflows.check import check

    files = read_folder(folder)
    base_files = read_base(folder, base) if base is not None else None
    outcome = check(files, base_files, wiring.clock().now().date(), wiring.policies())
    if output == "json":
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "CheckResult",
            "passed": outcome.passed,
            "findings": rendering.findings_data(outcome.findings),
        }
        rendering.write(document, "json")
    elif outcome.findings:
        rendering.write_findings(outcome.findings, files)
    rendering.talk(f"{'passed' if outcome.passed else 'refused'}: {rendering.summary(outcome.findings)}")
    return OK if outcome.passed else FINDINGS
