"""Rules of the library over whole fleets: what they read of the resolved fleet, of the base and of the day is really there."""

from collections.abc import Mapping

from fakes.bad_fleets import POLICIES, TODAY, WAIVER, Edit, edited
from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.workflows.check import check

PLACEMENT = "placements/digits-everywhere.yaml"
ROLLOUT = "rollouts/digits-1.1.0.yaml"
CANDIDATE = "models/digits/1.1.0.yaml"
HIGH: Edit = ("riskTier: low", "riskTier: high")
APPROVALS: Edit = (
    "ringPlan: standard\n",
    """ringPlan: standard
approvals:
  - {by: "@amara", role: safety, date: 2026-11-20}
  - {by: "@jonas", role: operations, date: 2026-11-21}
""",
)
AGREEMENT = "      - {metric: agreementWithStable, compare: atLeast, limit: 90%}\n"


def policies(*rules: str) -> str:
    chosen = "".join(f"  - rule: {rule}\n" for rule in rules)
    return f"apiVersion: ringtide/v1\nkind: PolicySet\nname: fleet\nrules:\n{chosen}"


def refused(
    files: Mapping[str, bytes], edits: Mapping[str, Edit], *rules: str, base: Mapping[str, bytes] | None = None
) -> list[tuple[str, str]]:
    """Return rule and path of what `check` finds with these rules alone."""
    found = check(edited(files, {**edits, POLICIES: policies(*rules)}), base, TODAY, CelConditions()).findings
    return [(each.rule, each.place.path) for each in found]


def test_a_release_keeps_to_its_regions_wherever_it_is_placed() -> None:
    at_home: Edit = ("licence:", "residency: [eu]\nlicence:")
    fleet = fleet_files(12)
    everywhere = refused(fleet, {"models/digits/1.0.0.yaml": at_home}, "placement-residency")
    assert everywhere == [("placement-residency", PLACEMENT)]
    eu = {"models/digits/1.0.0.yaml": at_home, PLACEMENT: ("cohort: all", "cohort: eu")}
    assert refused(fleet, eu, "placement-residency") == []


def test_a_release_whose_devices_have_no_region_that_can_be_told_apart_is_refused() -> None:
    edits: dict[str, Edit] = {
        "models/digits/1.0.0.yaml": ("licence:", "residency: [eu]\nlicence:"),
        "cohorts/eu.yaml": None,
    }
    assert refused(fleet_files(12), edits, "placement-residency") == [("placement-residency", PLACEMENT)]


def test_a_rollout_brings_a_release_to_its_regions_alone() -> None:
    fleet = fleet_files(12, rollout="1.1.0")
    both: dict[str, Edit] = {CANDIDATE: ("licence:", "residency: [eu, us]\nlicence:")}
    assert refused(fleet, both, "rollout-residency") == []
    one: dict[str, Edit] = {CANDIDATE: ("licence:", "residency: [us]\nlicence:")}
    assert refused(fleet, one, "rollout-residency") == [("rollout-residency", ROLLOUT)]


def test_high_risk_needs_two_people_and_a_comparison_with_the_stable_release() -> None:
    rules = ("risk-tier-approved", "high-risk-compared-with-stable")
    fleet = fleet_files(12, rollout="1.1.0")
    assert refused(fleet, {}, *rules) == []
    assert refused(fleet, {CANDIDATE: HIGH}, *rules) == [
        ("risk-tier-approved", ROLLOUT),
        ("high-risk-compared-with-stable", ROLLOUT),
    ]
    plan = fleet["rings/standard.yaml"].decode().replace("    gates:\n", f"    gates:\n{AGREEMENT}")
    assert refused(fleet, {CANDIDATE: HIGH, ROLLOUT: APPROVALS, "rings/standard.yaml": plan}, *rules) == []


def test_a_hardware_class_with_an_old_runtime_is_refused_at_its_range() -> None:
    found = refused(fleet_files(12), {}, "runtime-not-vulnerable")
    assert found == [("runtime-not-vulnerable", f"hardware/edge-{size}.yaml") for size in ("l", "m", "s")]


def test_every_device_without_the_label_is_named_at_its_line() -> None:
    lacking = ('"region": "us", ', "")
    found = refused(fleet_files(60), {"devices/all.jsonl": lacking}, "device-labels-set")
    assert found == [("device-labels-set", "devices/all.jsonl")]


def test_a_rule_is_not_dropped_together_with_what_it_judges() -> None:
    base = edited(fleet_files(12), {POLICIES: policies("release-licence-allowed", "policy-not-weakened")})
    alone = refused(base, {}, "policy-not-weakened", base=base)
    together = refused(base, {CANDIDATE: ("Apache-2.0", "GPL-3.0-only")}, "policy-not-weakened", base=base)
    assert alone == []
    assert together == [("policy-not-weakened", POLICIES)]


def test_trust_changes_in_a_merge_of_its_own() -> None:
    base = edited(fleet_files(12), {POLICIES: policies("trust-change-alone"), "trust/1.root.json": "{}"})
    assert refused(base, {"trust/2.root.json": "{}"}, "trust-change-alone", base=base) == []
    edits: dict[str, Edit] = {"trust/2.root.json": "{}", PLACEMENT: ('"1.0.0"', '"1.1.0"')}
    assert refused(base, edits, "trust-change-alone", base=base) == [("trust-change-alone", "trust/2.root.json")]


def test_many_deletions_are_acknowledged_by_a_waiver_that_names_the_first_of_them() -> None:
    base = edited(fleet_files(12), {POLICIES: policies("deletion-acknowledged")})
    removed: dict[str, Edit] = {"models/digits/1.1.0.yaml": None, "models/digits/1.2.0.yaml": None}
    assert refused(base, {"cohorts/eu.yaml": None}, "deletion-acknowledged", base=base) == []
    assert refused(base, removed, "deletion-acknowledged", base=base) == [("deletion-acknowledged", CANDIDATE)]
    waiver = WAIVER.format(rule="deletion-acknowledged", scope=CANDIDATE, expires="2026-12-31")
    files = edited(base, {**removed, "waivers/exception.yaml": waiver})
    assert check(files, base, TODAY, CelConditions()).passed


def test_a_waiver_needs_a_near_end_and_a_ticket() -> None:
    rules = ("deletion-acknowledged", "waiver-expires-soon", "waiver-has-reason", "waiver-scope-narrow")
    waiver = WAIVER.format(rule="deletion-acknowledged", scope="models/*/*.yaml", expires="2027-12-31")
    found = refused(fleet_files(12), {"waivers/exception.yaml": waiver}, *rules)
    assert {rule for rule, _ in found} == {"RT-WAIVER-002", *rules[1:]}
