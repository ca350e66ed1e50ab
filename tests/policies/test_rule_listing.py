"""`ringtide policy list` and `explain` say what is in force in a fleet, and what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.fleet_files import fleet_files
from ringtide_engine.cli.main import run
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.new_rule import new_rule
from ringtide_engine.workflows.rule_listing import list_rules

LIBRARY = rule_library()
SHIPPED = {path.split("/")[1] for path in LIBRARY if path.endswith("/rule.yaml")}
SET = b"""\
apiVersion: ringtide/v1
kind: PolicySet
name: ours
rules:
  - {rule: mine, severity: warning, parameters: {word: beta}}
  - {rule: ring-canary-before-rest}
"""
FILES = {**new_rule("mine", "Cohort", {}, LIBRARY), "policies/ours.yaml": SET}


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    plain = {path: content for path, content in fleet_files(3).items() if not path.startswith("policies/")}
    for path, content in {**plain, **FILES}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def listed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["policy", *arguments, "-o", "json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_every_rule_is_listed_once_and_by_group(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = listed(capsys, "list", str(fleet))["rules"]
    assert sorted(each["id"] for each in rules) == sorted({*SHIPPED, "mine"})
    groups = [each["group"] or "~" for each in rules]
    assert groups == sorted(groups)


def test_the_choice_of_a_policy_set_is_shown_with_its_severity_and_parameters(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = {each["id"]: each for each in listed(capsys, "list", str(fleet))["rules"]}
    assert (rules["mine"]["from"], rules["mine"]["severity"]) == ("fleet", "error")
    assert rules["mine"]["inForce"] == {
        "policySet": "policies/ours.yaml",
        "severity": "warning",
        "parameters": {"word": "beta"},
    }
    canary = rules["ring-canary-before-rest"]
    assert (canary["from"], canary["inForce"]["parameters"]) == ("library", {"atMost": "25%"})
    assert {name for name, each in rules.items() if each["inForce"]} == {"mine", "ring-canary-before-rest"}


def test_of_two_sets_the_first_by_path_decides() -> None:
    other = SET.replace(b"name: ours", b"name: zz").replace(b"warning", b"info")
    rules, findings = list_rules({**FILES, "policies/zz.yaml": other}, LIBRARY)
    assert findings == ()
    assert rules["mine"].in_force is not None
    assert (rules["mine"].in_force.path, rules["mine"].in_force.severity) == ("policies/ours.yaml", "warning")


def test_the_table_tells_people_the_same(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "list", str(fleet)]) == 0
    said = capsys.readouterr()
    (line,) = (each for each in said.out.splitlines() if each.startswith("mine "))
    assert line.split() == ["mine", "-", "Cohort", "error", "fleet", "warning", 'word="beta"']
    assert f"{len(SHIPPED) + 1} rules, 2 in force" in said.err


def test_a_folder_without_policies_has_the_library_with_nothing_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = listed(capsys, "list", str(tmp_path))["rules"]
    assert {each["id"] for each in rules} == SHIPPED
    assert not any(each["inForce"] for each in rules)


def test_what_cannot_be_read_is_a_finding_and_the_rest_is_listed(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (fleet / "policies/ours.yaml").write_bytes(SET.replace(b"rule: mine", b"rulle: mine"))
    document = listed(capsys, "list", str(fleet), code=3)
    assert {each["path"] for each in document["findings"]} == {"policies/ours.yaml"}
    assert len(document["rules"]) == len(SHIPPED) + 1


def test_a_rule_is_explained_with_its_samples_and_what_is_in_force(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = listed(capsys, "explain", "mine", "-C", str(fleet))
    assert told["condition"] == "!object.name.contains(params.word)"
    assert told["parameters"] == ['word: Word that the name must not contain. (default "experimental")']
    assert told["samples"] == ["samples/allowed/plain.yaml", "samples/disallowed/experimental.yaml"]
    assert told["inForce"] == 'as warning, by policies/ours.yaml word="beta"'


def test_explain_and_policy_explain_say_the_same_of_a_rule(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = listed(capsys, "explain", "mine", "-C", str(fleet))
    assert run(["explain", "mine", "-C", str(fleet), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_a_rule_that_nobody_chose_says_how_to_choose_it(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "explain", "release-signed", "-C", str(fleet)]) == 0
    assert (
        "In force: no; choose it in a policy set of policies/ with `- rule: release-signed`" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["explain", "release-singed"], 64, "did you mean release-signed"),
        (["explain", "../../etc"], 64, "there is no rule"),
        (["list", "/nowhere/at/all"], 1, "/nowhere/at/all is not a folder"),
    ],
)
def test_names_that_are_not_there_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert run(["policy", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_broken_rule_is_explained_by_what_is_wrong_with_it(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = fleet / "policies/mine/rule.yaml"
    rule.write_bytes(rule.read_bytes().replace(b"severity: error", b"severity: fatal"))
    assert run(["policy", "explain", "mine", "-C", str(fleet)]) == 3
    said = capsys.readouterr()
    assert "severity" in said.out + said.err
