"""One page names every stable id, and says what the code says."""

import re
import runpy
from pathlib import Path
from typing import get_args

from ringtide_engine.judge.intake import REPORT_RULES
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.dangers import DANGERS
from ringtide_engine.model.policy import RuleGroup
from ringtide_engine.model.rules import RULES
from ringtide_engine.render.families import FAMILIES, family
from ringtide_engine.render.reasons import REASONS
from ringtide_engine.render.rule_help import FINDINGS_PAGE, anchor
from ringtide_engine.shipped import rule_library

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = runpy.run_path(str(ROOT / "docs/spec/make_findings_page.py"))
BUILT_IN = {*RULES, *REPORT_RULES, *DANGERS}


def test_the_page_is_the_one_that_the_script_makes(update_goldens: bool) -> None:
    if update_goldens:
        SCRIPT["main"]()
    assert (ROOT / FINDINGS_PAGE).read_text(encoding="utf-8") == SCRIPT["page"](), "run docs/spec/make_findings_page.py"


def test_every_id_has_one_anchor_where_links_to_it_point() -> None:
    anchors = re.findall(r'<a id="([^"]+)"></a>', (ROOT / FINDINGS_PAGE).read_text(encoding="utf-8"))
    known = {*BUILT_IN, *load_rules(rule_library())[0], *REASONS}
    assert sorted(anchors) == sorted(each.lower() for each in known)
    assert {anchor(each).partition("#")[2] for each in known} == set(anchors)


def test_every_built_in_id_belongs_to_a_family_and_no_family_is_empty() -> None:
    assert {family(each) for each in BUILT_IN} == set(FAMILIES)


def test_every_group_of_rules_has_its_place_on_the_page() -> None:
    assert set(SCRIPT["GROUPS"]) == {*get_args(RuleGroup), None}


def test_the_reasons_are_those_that_the_judge_gives() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "engine/ringtide_engine/judge").glob("*.py"))
    assert set(re.findall(r'(?:\bcode=|_gate_reason\()"([a-z-]+)"', sources)) == set(REASONS)
    spec = (ROOT / "docs/spec/verdicts.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([a-z ]+)", spec, re.MULTILINE))
    assert {code: each.verdict for code, each in REASONS.items()} == {code: said[code].strip() for code in REASONS}
