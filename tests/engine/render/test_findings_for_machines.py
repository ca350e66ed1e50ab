"""SARIF, JUnit XML and workflow commands: valid whatever the findings say, within the limits, and stable."""

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from jsonschema import Draft4Validator

from fakes.hostile_words import ATTACKS, FINDINGS, attacked, found
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import RULES
from ringtide_engine.render import sarif as sarif_module
from ringtide_engine.render.annotations import MOST, annotations
from ringtide_engine.render.junit import junit
from ringtide_engine.render.rule_help import RuleHelp, by_id, help_of_built_in
from ringtide_engine.render.sarif import MAX_GZIPPED, MAX_RESULTS, sarif

SCHEMA = Draft4Validator(json.loads((Path(__file__).parent / "sarif-2.1.0.schema.json").read_text()))
HELPS = by_id(map(help_of_built_in, RULES.values()))


def log(findings: list[Finding] | tuple[Finding, ...], helps: dict[str, RuleHelp] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(sarif(findings, HELPS if helps is None else helps, version="1.2.3"))
    SCHEMA.validate(made)
    return made


def results(findings: list[Finding] | tuple[Finding, ...]) -> list[dict[str, Any]]:
    found_: list[dict[str, Any]] = log(findings)["runs"][0]["results"]
    return found_


@pytest.mark.parametrize("findings", [(), (found(),), attacked()])
def test_sarif_keeps_to_the_schema_of_oasis(findings: tuple[Finding, ...]) -> None:
    assert len(results(findings)) == len(findings)


@settings(max_examples=40, deadline=None)
@given(FINDINGS)
def test_any_finding_makes_valid_sarif_xml_and_one_command_a_line(findings: list[Finding]) -> None:
    assert len(results(findings)) == len(findings)
    root = ElementTree.fromstring(junit(findings))
    assert len(root.findall(".//testcase")) == max(1, len(findings))
    lines = annotations(findings).split("\n")[:-1]
    assert len(lines) == min(len(findings), MOST + 1)
    assert all(re.match(r"::(error|warning|notice) [^:]*::[^\r\n]*$", line) for line in lines)
    annotations(findings).encode("utf-8")


def test_every_built_in_rule_explains_itself_in_sarif() -> None:
    rules = log([found(rule) for rule in RULES])["runs"][0]["tool"]["driver"]["rules"]
    assert {each["id"] for each in rules} == set(RULES)
    for each in rules:
        assert RULES[each["id"]].title in each["fullDescription"]["text"]
        assert f"docs/spec/findings.md#{each['id'].lower()}" in each["help"]["text"]


def test_a_rule_of_a_policy_links_to_its_page_only_over_https() -> None:
    def linked(link: str) -> dict[str, Any]:
        known = RuleHelp(
            id="own", origin="", title="T.", severity="error", why="", fix="F.", waivable=True, links=(link,)
        )
        rule: dict[str, Any] = log([found("own")], {"own": known})["runs"][0]["tool"]["driver"]["rules"][0]
        return rule

    assert linked("https://slsa.dev/spec")["helpUri"] == "https://slsa.dev/spec"
    assert "helpUri" not in linked("javascript:alert(1)")


def test_a_fingerprint_survives_a_moved_line_and_tells_twins_apart() -> None:
    here, there = (found(place=Place(path="a.yaml", line=line), message=f"as in line {line}") for line in (4, 40))
    other = found(place=Place(path="a.yaml", line=9), message="something else")

    def prints(*findings: Finding) -> list[str]:
        return [each["partialFingerprints"]["ringtide/v1"] for each in results(findings)]

    assert prints(here) == prints(there)
    assert prints(here) != prints(other)
    assert len(set(prints(here, there))) == 2


def test_a_waived_finding_is_suppressed_and_no_failure() -> None:
    waived = found(severity="info", waiver="legacy")
    assert results([waived])[0]["suppressions"][0]["justification"] == "waiver legacy"
    assert "suppressions" not in results([found()])[0]
    root = ElementTree.fromstring(junit([waived, found()]))
    assert (root.get("failures"), len(root.findall(".//skipped")), len(root.findall(".//failure"))) == ("1", 1, 1)


def test_the_worst_come_first_and_what_is_over_the_limit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_module, "MAX_RESULTS", 3)
    findings = [found(severity=grave) for grave in ("info", "warning", "error", "warning")]
    run = log(findings)["runs"][0]
    assert [each["level"] for each in run["results"]] == ["error", "warning", "warning"]
    said = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert said.startswith("1 of 4 findings are left out")
    assert (MAX_RESULTS, MAX_GZIPPED) == (25_000, 10_000_000)


def test_findings_that_do_not_compress_are_halved_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_module, "MAX_GZIPPED", 20_000)
    dice = random.Random(1)
    findings = [found(message="".join(chr(dice.randrange(0x4E00, 0x9FFF)) for _ in range(400))) for _ in range(64)]
    content = sarif(findings, HELPS, version="1")
    assert len(gzip.compress(content)) <= 20_000
    assert 0 < len(json.loads(content)["runs"][0]["results"]) < 64


def test_nine_annotations_worst_first_then_one_that_counts_the_others() -> None:
    findings = [found(severity="info")] * 30 + [found(severity="error")] * 2
    lines = annotations(findings).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 2 + ["::notice"] * 8
    assert lines[-1] == "::notice title=ringtide::+23 more in the job summary"
    assert len(annotations(findings[:9]).splitlines()) == 9


def test_no_property_of_a_command_can_begin_another() -> None:
    place = Place(path="a,line=9::b%\r\n.yaml", line=3, column=1)
    assert annotations([found(place=place, message="50%\nof", fix="F")]) == (
        "::error file=a%2Cline=9%3A%3Ab%25%0D%0A.yaml,line=3,col=1,title=RT-RING-003::50%25 of%0AF\n"
    )


def test_junit_has_a_suite_for_every_folder_and_a_case_where_nothing_was_found() -> None:
    root = ElementTree.fromstring(junit([found(), found(place=Place(path="fleet.yaml"), severity="warning")]))
    assert [(each.get("name"), each.get("failures")) for each in root] == [(".", "0"), ("rings", "1")]
    empty = ElementTree.fromstring(junit([]))
    assert (empty.get("tests"), empty.get("failures")) == ("1", "0")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_leaves_its_place_in_the_xml(attack: str) -> None:
    root = ElementTree.fromstring(junit([found(message=attack, fix=attack)]))
    assert [each.tag for each in root.iter()] == ["testsuites", "testsuite", "testcase", "failure"]
