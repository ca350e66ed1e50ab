"""The rules of the library do what their suites say, none is there for nothing, and suites that prove nothing fail."""

from pathlib import Path
from typing import Any

import pytest

from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.policy import Condition
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.policy_suites import RuleResult, run_suites

POLICIES = Path(__file__).resolve().parents[2] / "policies"
RESULTS, FINDINGS = run_suites(rule_library(), CelConditions())
RULES, _ = load_rules(rule_library())


@pytest.mark.parametrize("result", RESULTS, ids=lambda each: each.rule)
def test_every_case_passes_and_a_sample_is_refused_by_this_rule_alone(result: RuleResult) -> None:
    assert [(each.case, each.problem) for each in result.problems] == []
    assert result.proof is not None


def test_every_folder_is_a_rule_with_cases() -> None:
    assert FINDINGS == ()
    assert {each.rule for each in RESULTS if each.judged} == {each.name for each in POLICIES.iterdir() if each.is_dir()}


def folder_of(rule: str) -> dict[str, bytes]:
    return {path: content for path, content in rule_library().items() if path.startswith(f"policies/{rule}/")}


def problems(files: dict[str, bytes]) -> list[str]:
    results, findings = run_suites(files, CelConditions())
    return [each.message for each in findings] + [str(each.problem) for result in results for each in result.problems]


@pytest.mark.parametrize("rule", RULES)
def test_no_sample_of_a_rule_can_go(rule: str) -> None:
    files = folder_of(rule)
    samples = [path for path in files if "/samples/" in path]
    assert samples
    for sample in samples:
        rest = {path: content for path, content in files.items() if path != sample}
        assert any(sample in each for each in problems(rest)), sample


@pytest.mark.parametrize("rule", RULES)
def test_a_negated_condition_is_noticed(rule: str) -> None:
    class Negating(CelConditions):
        def compile(self, expression: str, *rest: Any) -> Condition:
            return super().compile(f"!({expression})", *rest)

    results, _ = run_suites(folder_of(rule), Negating())
    assert results[0].problems
    assert problems(folder_of(rule)) == []


GOLDEN = "policies/release-has-golden-set"


def golden(**changes: bytes | None) -> list[str]:
    files = folder_of("release-has-golden-set")
    for name, content in changes.items():
        if content is None:
            del files[f"{GOLDEN}/{name}.yaml"]
        else:
            files[f"{GOLDEN}/{name}.yaml"] = content
    return problems(files)


RULE = rule_library()[f"{GOLDEN}/rule.yaml"]
CONDITION = RULES["release-has-golden-set"].condition.encode()


def test_a_rule_whose_condition_is_never_false_fails() -> None:
    found = golden(rule=RULE.replace(CONDITION, b"has(object.model)"))
    assert "the condition is never false: a rule that nobody saw both pass and fail proves nothing" in found


def test_a_rule_that_others_make_needless_fails() -> None:
    files = folder_of("release-has-golden-set")
    files |= {
        path.replace("has-golden-set", "has-golden-twin"): content.replace(b"has-golden-set", b"has-golden-twin")
        for path, content in files.items()
    }
    found = problems(files)
    assert "each sample that it refuses is refused without it too, by release-has-golden-twin" in found
    assert "each sample that it refuses is refused without it too, by release-has-golden-set" in found


def test_a_rule_that_cannot_answer_for_a_sample_counts_as_refusing_it() -> None:
    files = folder_of("release-has-golden-set")
    files |= {
        path.replace("has-golden-set", "fails-always"): content.replace(b"has-golden-set", b"fails-always").replace(
            CONDITION, b"int(object.model) == 1"
        )
        for path, content in files.items()
    }
    assert "each sample that it refuses is refused without it too, by release-fails-always" in problems(files)


def test_a_rule_without_a_suite_fails() -> None:
    assert len(golden(suite=None)) == 2 + len(
        [path for path in folder_of("release-has-golden-set") if "/samples/" in path]
    )


def test_a_condition_that_does_not_compile_fails() -> None:
    (problem,) = golden(
        rule=RULE.replace(CONDITION, CONDITION.replace(b"has(object.golden)", b"has(object.golden) & &"))
    )
    assert problem.startswith("not valid CEL: ")


def test_a_part_that_the_fleet_does_not_have_fails() -> None:
    suite = rule_library()[f"{GOLDEN}/suite.yaml"]
    found = golden(suite=suite.replace(b"expect: allowed", b"expect: allowed, fleet: {rolouts: []}", 1))
    assert "the fleet has no part rolouts" in found
