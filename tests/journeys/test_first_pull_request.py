"""The tutorial runs as it stands, from top to bottom, and what it shows is what the programs write."""

import re
from pathlib import Path

import pytest

from fakes.shell_page import ROOT, run_blocks, shell_blocks
from ringtide_engine import wiring
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.policy_suites import run_suites

PAGE = ROOT / "docs" / "first-pull-request.md"

_PASSING = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|\d{4}-\d\d-\d\d|\b[0-9a-f]{40,64}\b|\bDATE\b|\bDIGEST\b|\bCOMMIT\b|\bTIME\b *"
)


def lasting(text: str) -> set[str]:
    """Return the lines without what differs from run to run, and without padding."""
    return {" ".join(_PASSING.sub("~", line).split()) for line in text.splitlines() if line.strip()}


def shown(page: str) -> set[str]:
    """Return what the page shows as output."""
    return {line for block in _blocks(page) for line in lasting(block)}


def _blocks(page: str) -> list[str]:
    """Return the blocks without a language; those with one are commands."""
    inside, blocks = "", list[str]()
    for part in re.split(r"^(```.*)$", page, flags=re.MULTILINE):
        if part.startswith("```"):
            inside = "" if inside else part
        elif inside == "```":
            blocks.append(part)
    return blocks


def test_the_readme_shows_what_the_page_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    excerpt = readme.partition("<!-- plan: begin -->")[2].partition("<!-- plan: end -->")[0]
    assert shown(excerpt)
    assert shown(excerpt) <= shown(PAGE.read_text(encoding="utf-8"))


def test_the_readme_counts_the_rules_as_policy_test_does() -> None:
    results, findings = run_suites(rule_library(), wiring.policies())
    assert findings == ()
    counted = f"{len(results)} rules, {sum(len(each.judged) for each in results)} cases: `ringtide policy test`"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert counted in readme
    assert f"{len(results)} rules come with ringtide" in readme


@pytest.mark.journey
def test_the_page_leads_from_an_empty_folder_to_a_merged_rollout(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    said = run_blocks(shell_blocks(PAGE), tmp_path, cwd=ROOT)
    assert shown(page)
    assert shown(page) - lasting(said) == {"no changes"}  # on standard error; the exit code speaks for it
    assert (tmp_path / "fleet/rollouts/digits-1.1.0.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert {each.name for each in (tmp_path / "out").iterdir()} >= {
        "comment.md",
        "plan.json",
        "plan.md",
        "findings.sarif",
    }
