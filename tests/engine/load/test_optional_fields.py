"""What a document may say beyond what devices need: owners, evidence, approvals, retention."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from fakes.bad_fleets import Edit, edited
from fakes.fleet_files import fleet_files
from ringtide_contract.manifest import Budget
from ringtide_engine.compile.tree import compile_tree
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.policies import load_rules, load_suite
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.people import Approval
from ringtide_engine.model.policy import Framework, SuiteCase
from ringtide_engine.resolve.state import resolve

DIGEST, OTHER = "0f" * 32, "1e" * 32
RELEASE = "models/digits/1.1.0.yaml"


def attached(name: str) -> str:
    return f'{{name: {name}, sha256: "{DIGEST}", size: 2KiB, store: models, subjects: ["{OTHER}"]}}'


def written() -> dict[str, bytes]:
    """Return a fleet in which every optional field is written."""
    files = dict(fleet_files(rollout="1.1.0"))
    files[RELEASE] += f"""\
owner: "@example/vision"
provenance: {attached("provenance.json")}
signature: {attached("model.sig")}
modelCard: {attached("card.md")}
driftReference: {attached("drift.json")}
sbom: {attached("sbom.cdx.json")}
measured: {{edge-m: {{p95Latency: 12ms, peakMemory: 80MiB}}}}
residency: [eu]
""".encode()
    files["fleet.yaml"] += b"retention: {reports: 90d, evidence: 400d}\n"
    for path in ("placements/digits-everywhere.yaml", "cohorts/eu.yaml", "rings/standard.yaml", "hardware/edge-s.yaml"):
        files[path] += b'owner: "@example/operations"\n'
    files["rollouts/digits-1.1.0.yaml"] += (
        b'owner: "@example/operations"\napprovals: [{by: "@person", role: safety, date: 2026-11-20}]\n'
    )
    return edited(files, {RELEASE: ("golden: {name", "golden: {disjoint: drawn from line 4, name")})


def loaded(files: dict[str, bytes]) -> DesiredState:
    result = load_desired(files)
    assert result.state is not None, result.findings
    return result.state


def test_every_optional_field_becomes_a_value() -> None:
    state = loaded(written())
    release = state.releases["digits", "1.1.0"]
    about = (release.provenance, release.signature, release.model_card, release.drift_reference, release.sbom)
    assert [each and (each.name, each.size_bytes, each.subjects) for each in about] == [
        (name, 2048, (OTHER,)) for name in ("provenance.json", "model.sig", "card.md", "drift.json", "sbom.cdx.json")
    ]
    assert (release.owner, release.residency) == ("@example/vision", ("eu",))
    assert release.measured == {"edge-m": Budget(p95_latency_us=12_000, peak_memory_bytes=80 * 2**20)}
    assert release.golden is not None
    assert release.golden.disjoint == "drawn from line 4"
    assert state.fleet.retention == {"reports": timedelta(days=90), "evidence": timedelta(days=400)}
    owners = (
        state.placements["digits-everywhere"].owner,
        state.cohorts["eu"].owner,
        state.ring_plans["standard"].owner,
        state.hardware["edge-s"].owner,
        state.rollouts["digits-1.1.0"].owner,
    )
    assert owners == ("@example/operations",) * 5
    assert state.rollouts["digits-1.1.0"].approvals == (Approval(by="@person", role="safety", day=date(2026, 11, 20)),)


def test_left_out_they_are_nothing() -> None:
    state = loaded(dict(fleet_files(rollout="1.1.0")))
    release = state.releases["digits", "1.1.0"]
    assert (release.owner, release.provenance, release.model_card, release.residency) == (None, None, None, ())
    assert (dict(release.measured), dict(state.fleet.retention)) == ({}, {})
    assert state.rollouts["digits-1.1.0"].approvals == ()


def test_none_of_them_but_the_drift_reference_reaches_a_device() -> None:
    plain, full = (loaded(dict(each)) for each in (fleet_files(rollout="1.1.0"), written()))
    for key, release in full.releases.items():
        full = replace(full, releases={**full.releases, key: replace(release, drift_reference=None)})
    assert compile_tree(plain, resolve(plain), None) == compile_tree(full, resolve(full), None)


@pytest.mark.parametrize(
    ("path", "edit", "message"),
    [
        (RELEASE, ("residency: [eu]", "residency: []"), "residency is empty"),
        (RELEASE, (f'subjects: ["{OTHER}"]', "subjects: [abc]"), 'is "abc", not a SHA-256 digest'),
        (RELEASE, ("p95Latency: 12ms", "p95Latency: 0ms"), "'0ms' is not a latency"),
        (RELEASE, ("disjoint:", "disjoined:"), "unknown field disjoined"),
        ("fleet.yaml", ("reports: 90d", "reports: 0d"), "0d is no time at all"),
        ("fleet.yaml", ("evidence: 400d", "proof: 400d"), "unknown field proof"),
        ("rollouts/digits-1.1.0.yaml", ("2026-11-20", "2026-02-30"), "is not a day"),
        ("cohorts/eu.yaml", ('"@example/operations"', '""'), 'owner is "", not one line of text'),
    ],
)
def test_a_mistake_in_one_is_found_where_it_stands(path: str, edit: Edit, message: str) -> None:
    found = load_desired(edited(written(), {path: edit})).findings
    assert found
    assert found[0].place.path == path
    assert message in found[0].message


RULE = b"""\
apiVersion: ringtide/v1
kind: Rule
id: mine
title: Mine.
group: supply-chain
language: rego
selects: Change
condition: "true"
message: no
fix: Mend it.
frameworks: [{name: SLSA, reference: Build L2}]
"""
SUITE = b"""\
apiVersion: ringtide/v1
kind: RuleSuite
rule: mine
cases:
  - {sample: allowed/a.yaml, expect: allowed, today: 2026-11-23, fleet: {rollouts: []}}
  - {sample: allowed/b.yaml, expect: disallowed}
"""


def test_a_rule_has_a_group_a_language_and_frameworks() -> None:
    rules, findings = load_rules({"policies/mine/rule.yaml": RULE.replace(b"message: no", b'message: "no"')})
    assert findings == ()
    mine = rules["mine"]
    assert (mine.group, mine.language, mine.selects) == ("supply-chain", "rego", "Change")
    assert mine.frameworks == (Framework(name="SLSA", reference="Build L2"),)


def test_a_case_has_a_day_and_a_fleet_of_its_own() -> None:
    first, second = load_suite("policies/mine/suite.yaml", SUITE)
    assert isinstance(first, SuiteCase)
    assert isinstance(second, SuiteCase)
    assert (first.today, first.fleet) == (date(2026, 11, 23), {"rollouts": []})
    assert (second.today, second.fleet) == (None, {})


def test_a_case_on_no_day_of_the_calendar_is_a_finding() -> None:
    (found,) = load_suite("policies/mine/suite.yaml", SUITE.replace(b"2026-11-23", b"2026-11-31"))
    assert isinstance(found, Finding)
    assert (str(found.place), found.rule) == ("policies/mine/suite.yaml:5:54", "RT-SCHEMA-001")
