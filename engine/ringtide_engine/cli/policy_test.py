"""`ringtide policy test`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FINDINGS, OK

if TYPE_CHECKING:
    from ringtide_engine.workflows.policy_suites import RuleResult


@click.command("test")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@rendering.output_option("table", "json")
def test_command(folder: Path | None, output: rendering.Output) -> int:
    """Run the suites of the rules in FOLDER: a fleet repository, or a folder of rules.

    Without FOLDER, those of the library. Each rule gets a line: its cases, how many samples its condition allows and
    disallows, and a sample that none of the other rules refuses. Exit code 3 where a case fails, where a condition is
    never false or never true, and where every sample of a rule is refused without it too.
    """
    from ringtide_engine.cli.work_tree import read_rules
    from ringtide_engine.shipped import rule_library
    from ringtide_engine.workflows.policy_suites import run_suites

    files = rule_library() if folder is None else read_rules(folder)
    results, findings = run_suites(files, wiring.policies())
    cases = sum(len(each.judged) for each in results)
    failed = sum(len(each.problems) for each in results)
    if output == "json":
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "PolicyTestResult",
            "rules": [_data(each) for each in results],
            "totals": {"rules": len(results), "cases": cases, "failures": failed},
            "findings": rendering.findings_data(findings),
        }
        rendering.write(document, "json")
    else:
        if findings:
            rendering.write_findings(findings, files)
        _write_lines(results)
    if not results:
        rendering.talk("there is no rule: nothing was tested")
        return FINDINGS
    rendering.talk(f"{len(results)} rules, {cases} cases, {failed} failures; {rendering.summary(findings)}")
    return FINDINGS if failed or findings else OK


def _write_lines(results: "Sequence[RuleResult]") -> None:
    width = max((len(each.rule) for each in results), default=0)
    for each in results:
        allowed, disallowed = _counts(each)
        word = "FAIL" if each.problems else "ok  "
        counts = f"{len(each.judged):3} cases, {allowed:2} allowed, {disallowed:2} disallowed"
        click.echo(f"{word}  {each.rule:{width}}  {counts}  only it refuses: {each.proof or 'nothing'}")
        for problem in each.problems:
            click.echo(f"      {problem.case}: {problem.problem}")


def _data(result: "RuleResult") -> dict[str, object]:
    allowed, disallowed = _counts(result)
    return {
        "rule": result.rule,
        "passed": not result.problems,
        "allowed": allowed,
        "disallowed": disallowed,
        "proof": result.proof,
        "cases": [{"case": each.case, "held": each.held, "problem": each.problem} for each in result.cases],
    }


def _counts(result: "RuleResult") -> tuple[int, int]:
    held = [each.held for each in result.judged]
    return held.count(True), held.count(False)
