"""The rules on rollout safety and hardware leave sound fleets in peace, and find what a reviewer would."""

import json
from collections.abc import Mapping
from datetime import date

import pytest

from fakes.fleet_files import fleet_files
from ringtide_engine import wiring
from ringtide_engine.demo import fleet as demo
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.finding import Finding
from ringtide_engine.shipped import rule_library, template
from ringtide_engine.workflows.check import check

RULES = sorted(
    name for name, rule in load_rules(rule_library())[0].items() if rule.group in ("rollout-safety", "hardware")
)
DAY = date(2026, 11, 23)

UNMEASURED = {"measured-on-every-class"}
"""The releases of the demo and of the template were measured on no device of a class."""

DEMO_TIMES: Mapping[str, Mapping[str, object]] = {
    "ring-soak-long-enough": {"first": "5s", "later": "5s"},
    "ring-deadline-after-soak": {"margin": "10m"},
    "quorum-high-enough": {"first": "80%"},
}
"""A story that fits into a coffee break soaks for seconds."""


def with_rules(
    files: Mapping[str, bytes], parameters: Mapping[str, Mapping[str, object]] | None = None
) -> dict[str, bytes]:
    rules = [{"rule": name, "parameters": dict((parameters or {}).get(name, {}))} for name in RULES]
    policies = {"apiVersion": "ringtide/v1", "kind": "PolicySet", "name": "fleet", "rules": rules}
    return {**files, "policies/fleet.yaml": json.dumps(policies).encode()}


def findings(files: Mapping[str, bytes], base: Mapping[str, bytes] | None = None) -> list[Finding]:
    return [each for each in check(files, base, DAY, wiring.policies()).findings if each.rule not in UNMEASURED]


def ids(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.rule, each.place.path) for each in found]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_judged_on_a_fleet_with_a_rollout_under_way(rule: str) -> None:
    files = fleet_files(60, rollout="1.1.0", strata=("region",))
    policies = {"apiVersion": "ringtide/v1", "kind": "PolicySet", "name": "fleet", "rules": [{"rule": rule}]}
    outcome = check({**files, "policies/fleet.yaml": json.dumps(policies).encode()}, files, DAY, wiring.policies())
    assert outcome.unjudged == ()
    assert [each for each in outcome.findings if each.rule.startswith("RT-POLICY")] == []


def test_the_template_and_its_first_devices_pass() -> None:
    devices = {path: content for path, content in fleet_files(12).items() if path.startswith("devices/")}
    assert ids(findings(with_rules({**template(), **devices}))) == []


@pytest.mark.parametrize("rollout", [None, "1.1.0"])
def test_the_demos_fleet_passes_with_its_own_times(rollout: str | None) -> None:
    sound = fleet_files(12, rollout=rollout)
    kept = {path: content for path, content in sound.items() if path.split("/")[0] in ("devices", "models")}
    kept = {
        path: content.replace(b"384MiB", b"192MiB") for path, content in kept.items()
    }  # the demo's budget on edge-s
    own = {**demo.base_files("file:///srv/models"), **kept, **demo.placement_file("1.0.0")}
    own |= demo.rollout_file(rollout) if rollout else {}
    assert ids(findings(with_rules(own, DEMO_TIMES))) == []


def test_an_edit_from_one_release_to_another_is_found_at_the_release() -> None:
    base = with_rules(fleet_files(12, release="1.0.0"))
    changed = with_rules(fleet_files(12, release="1.1.0"))
    new = [each for each in findings(changed, base) if each not in findings(base, base)]
    assert [(each.rule, each.place.path) for each in new] == [
        ("blast-radius-per-merge", "fleet.yaml"),
        ("ring-not-skipped", "placements/digits-everywhere.yaml"),
    ]
    assert new[0].message.startswith("12 of 12 devices change")
    assert changed[new[1].place.path].decode().splitlines()[new[1].place.line - 1].startswith("release:")


def test_a_canary_in_one_laboratory_leaves_strata_out() -> None:
    files = fleet_files(12, rollout="1.1.0")
    laboratory = (
        b"apiVersion: ringtide/v1\nkind: Cohort\nname: laboratory\nselector: {matchLabels: {hardwareClass: edge-m}}\n"
    )
    plan = files["rings/standard.yaml"].replace(b"share: 25%", b"cohort: laboratory", 1)
    found = findings(with_rules({**files, "cohorts/laboratory.yaml": laboratory, "rings/standard.yaml": plan}))
    assert ("canary-covers-strata", "rollouts/digits-1.1.0.yaml") in ids(found)
    assert ("canary-covers-strata", "rollouts/digits-1.1.0.yaml") not in ids(findings(with_rules(files)))


def test_a_new_opset_is_found_where_a_class_would_fall_back() -> None:
    files = fleet_files(12)
    path = "models/digits/1.0.0.yaml"
    files[path] = files[path].replace(b"opset: 13", b"opset: 23", 1)
    assert ("opset-supported", path) in ids(findings(with_rules(files)))
