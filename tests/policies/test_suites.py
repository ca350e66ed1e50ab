"""The rules of the library do what their suites say, and suites that prove nothing fail."""

from pathlib import Path

import pytest

from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.policy_suites import run_suites

POLICIES = Path(__file__).resolve().parents[2] / "policies"
RESULTS, FINDINGS = run_suites(rule_library(), CelConditions())


@pytest.mark.parametrize("result", RESULTS, ids=lambda each: f"{each.rule}: {each.case}")
def test_the_case_passes(result: object) -> None:
    assert getattr(result, "problem", "?") is None


def test_every_folder_is_a_rule_with_cases() -> None:
    assert FINDINGS == ()
    assert {each.rule for each in RESULTS} == {each.name for each in POLICIES.iterdir() if each.is_dir()}


def problems(**changes: bytes | None) -> list[str]:
    files = {path: content for path, content in rule_library().items() if "release-has-golden-set" in path}
    for name, content in changes.items():
        path = f"policies/release-has-golden-set/{name}.yaml"
        if content is None:
            del files[path]
        else:
            files[path] = content
    results, findings = run_suites(files, CelConditions())
    return [each.message for each in findings] + [each.problem for each in results if each.problem is not None]


RULE = rule_library()["policies/release-has-golden-set/rule.yaml"]


def test_a_rule_that_never_fails_its_samples_fails() -> None:
    always = RULE.replace(b"has(object.golden) && object.golden != null", b"has(object.model)")
    assert problems(rule=always) == ["the condition holds"]


def test_a_suite_without_a_disallowed_sample_fails() -> None:
    suite = b"apiVersion: ringtide/v1\nkind: RuleSuite\nrule: release-has-golden-set\ncases:\n  - {sample: allowed/with-golden.yaml, expect: allowed}\n"
    assert problems(suite=suite) == [
        "no case expects disallowed: a rule that nobody saw both pass and fail proves nothing",
        "no case uses the sample",
    ]


def test_a_rule_without_a_suite_fails() -> None:
    assert len(problems(suite=None)) == 4


def test_a_condition_that_does_not_compile_fails() -> None:
    (problem,) = problems(rule=RULE.replace(b"has(object.golden) &&", b"has(object.golden) & &"))
    assert problem.startswith("not valid CEL: ")
