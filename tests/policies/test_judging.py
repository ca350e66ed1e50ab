"""Rules over a fleet: severities, parameters, the base, and waivers that are reasoned and expire."""

import json
from collections.abc import Mapping
from datetime import date

import pytest

from fakes.bad_fleets import POLICIES, RULE, TODAY, WAIVER, Edit, edited
from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.workflows.check import CheckOutcome, check

NO_GOLDEN: Mapping[str, Edit] = {"models/digits/1.2.0.yaml": ("golden: {name: golden.json", "sbom: {name: golden.json")}


def outcome(edits: Mapping[str, Edit], today: date = TODAY) -> CheckOutcome:
    return check(edited(fleet_files(), edits), fleet_files(), today, CelConditions())


def test_a_broken_rule_is_a_finding_at_the_field() -> None:
    (found,) = outcome({"models/digits/1.2.0.yaml": ("Apache-2.0", "GPL-3.0-only")}).findings
    assert (found.rule, str(found.place)) == ("release-licence-allowed", "models/digits/1.2.0.yaml:29:10")
    assert found.message.startswith("the licence GPL-3.0-only of digits 1.2.0 is not among Apache-2.0, MIT")


def test_the_policy_set_chooses_severity_and_parameters() -> None:
    edits = {**NO_GOLDEN, POLICIES: ("release-has-golden-set", "release-has-golden-set\n    severity: warning")}
    found = outcome(edits)
    assert [(each.rule, each.severity) for each in found.findings if each.rule != "RT-RELEASE-004"] == [
        ("release-has-golden-set", "warning")
    ]


def test_a_rule_compares_with_the_base() -> None:
    condition = '"old == null || object.cohort == old.cohort"'
    edits: dict[str, Edit] = {
        POLICIES: ("rules:", "rules:\n  - rule: ours"),
        "policies/ours/rule.yaml": RULE.format(rule="ours", condition=condition),
    }
    assert outcome(edits).findings == ()
    moved = outcome({**edits, "placements/digits-everywhere.yaml": ("cohort: all", "cohort: eu")})
    assert [each.message for each in moved.findings] == ["digits-everywhere is wrong"]


def test_a_rule_judges_devices_of_inventories_too() -> None:
    rule = RULE.format(rule="ours", condition="object.labels.region == 'eu'").replace("Placement", "Device")
    rule = rule.replace("{name}", "{id}")
    files = edited(fleet_files(60), {POLICIES: ("rules:", "rules:\n  - rule: ours"), "policies/ours/rule.yaml": rule})
    found = check(files, None, TODAY, CelConditions()).findings
    assert len(found) == 30
    assert str(found[0].place) == "devices/all.jsonl:4:1"


def test_a_waiver_in_force_turns_the_finding_into_an_info_that_names_it() -> None:
    waiver = WAIVER.format(rule="release-has-golden-set", scope="models/*/*.yaml", expires="2026-11-23")
    found = [each for each in outcome({**NO_GOLDEN, "waivers/exception.yaml": waiver}).findings if each.rule[0] == "r"]
    assert [(each.rule, each.severity) for each in found] == [("release-has-golden-set", "info")]
    assert found[0].message.endswith("(waived by exception until 2026-11-23: accepted for the trial until spring)")


def test_the_day_after_the_finding_is_back() -> None:
    waiver = WAIVER.format(rule="release-has-golden-set", scope="models/*/*.yaml", expires="2026-11-23")
    later = outcome({**NO_GOLDEN, "waivers/exception.yaml": waiver}, date(2026, 11, 24))
    severities = {each.rule: each.severity for each in later.findings}
    assert severities["release-has-golden-set"] == "error"
    assert severities["RT-WAIVER-001"] == "warning"


@pytest.mark.parametrize("scope", ["*.yaml", "models/*", "**", "models/digits/1.1.*"])
def test_a_star_does_not_cross_folders_or_names(scope: str) -> None:
    waiver = WAIVER.format(rule="release-has-golden-set", scope=scope, expires="2026-12-31")
    rules = {each.rule: each.severity for each in outcome({**NO_GOLDEN, "waivers/exception.yaml": waiver}).findings}
    assert rules["release-has-golden-set"] == "error"
    assert "RT-WAIVER-002" in rules


def test_deletions_can_be_waived() -> None:
    waiver = WAIVER.format(rule="RT-GUARD-002", scope="placements/*.yaml", expires="2026-12-31")
    files = {path: content for path, content in fleet_files().items() if not path.startswith("placements/")}
    assert not check(files, fleet_files(), TODAY, CelConditions()).passed
    assert check({**files, "waivers/exception.yaml": waiver.encode()}, fleet_files(), TODAY, CelConditions()).passed


def test_the_verdict_is_the_same_bytes_for_the_same_input_and_names_rules_findings_and_waivers() -> None:
    waiver = WAIVER.format(rule="release-has-golden-set", scope="models/*/*.yaml", expires="2026-11-23")
    edits: dict[str, Edit] = {**NO_GOLDEN, "waivers/exception.yaml": waiver}
    one, other = outcome(edits), outcome(edits)
    assert one.policy_verdict == other.policy_verdict
    verdict = json.loads(one.policy_verdict)
    assert verdict["waivers"] == ["exception"]
    assert {"rule": "release-has-golden-set", "severity": "info", "path": "models/digits/1.2.0.yaml"} in verdict[
        "findings"
    ]
    assert [each["rule"] for each in verdict["rules"]] == [
        "release-has-golden-set",
        "release-licence-allowed",
        "ring-canary-before-rest",
    ]
    stricter = outcome(
        {POLICIES: ("ring-canary-before-rest", "ring-canary-before-rest\n    parameters: {atMost: 30%}")}
    )
    assert stricter.policy_verdict != outcome({"README.md": "x"}).policy_verdict
