"""`ringtide policy`."""

from pathlib import Path

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FINDINGS, OK


@click.group("policy")
def policy_command() -> None:
    """Work on policy rules."""


@policy_command.command("test")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@rendering.output_option("table", "json")
def test_command(folder: Path | None, output: rendering.Output) -> int:
    """Run the suites of the rules in FOLDER: a fleet repository, or a folder of rules.

    Without FOLDER, those of the library. Exit code 3 where a case fails; a rule whose samples do not both pass and fail
    its condition fails.
    """
    from ringtide_engine.cli.work_tree import read_rules
    from ringtide_engine.shipped import rule_library
    from ringtide_engine.workflows.policy_suites import run_suites

    files = rule_library() if folder is None else read_rules(folder)
    results, findings = run_suites(files, wiring.policies())
    failed = [each for each in results if each.problem is not None]
    if output == "json":
        cases = [{"rule": each.rule, "case": each.case, "problem": each.problem} for each in results]
        found = rendering.findings_data(findings)
        document = {"apiVersion": "ringtide/v1", "kind": "PolicyTestResult", "cases": cases, "findings": found}
        rendering.write(document, "json")
    else:
        if findings:
            rendering.write_findings(findings, files)
        for each in results:
            said = f"ok    {each.rule}: {each.case}" if each.problem is None else f"FAIL  {each.rule}: {each.case}"
            click.echo(said if each.problem is None else f"{said}\n      {each.problem}")
    if not results:
        rendering.talk("there is no rule: nothing was tested")
        return FINDINGS
    rendering.talk(f"{len(results)} cases, {len(failed)} failed; {rendering.summary(findings)}")
    return FINDINGS if failed or findings else OK
