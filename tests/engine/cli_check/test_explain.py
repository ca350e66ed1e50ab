"""`ringtide explain`: every id and every field says what it is; a wrong name meets the nearest right ones."""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest

from ringtide_engine.cli import exits
from ringtide_engine.cli.explain import EXIT_CODES, _rule_tables, _schemas
from ringtide_engine.cli.main import run
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.desired import Gate, Metric
from ringtide_engine.model.proving import why_unprovable
from ringtide_engine.model.rules import RULES
from ringtide_engine.render.explain import Topic
from ringtide_engine.render.explain_field import UnknownField, field_topic
from ringtide_engine.render.reasons import REASONS
from ringtide_engine.shipped import rule_library, template
from ringtide_engine.validate.ring_plans import _SENSE


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["explain", "-o", "json", *arguments]) == 0
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def refused(capsys: pytest.CaptureFixture[str], name: str) -> str:
    assert run(["explain", name]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()[-1]


def test_a_built_in_rule_says_why_it_is_there_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "rt-ring-003"]) == 0
    assert capsys.readouterr().out == (
        "RT-RING-003: error, built into `ringtide check`\n\n"
        "Shares do not grow from ring to ring.\n\n"
        "Why: Rings that grow, with a control beside them, are what keeps a bad release on few devices.\n"
        "Fix: Order the rings by share, smallest first.\n"
        "Waiver: no\n"
        "More: docs/spec/findings.md#rt-ring-003\n"
    )


def test_every_rule_reason_and_exit_code_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    policies, mistakes = load_rules(rule_library())
    assert not mistakes
    for name in (*_rule_tables(), *policies, *REASONS, *(f"exit-{code}" for code in EXIT_CODES)):
        assert explained(capsys, name)["name"] == name
        assert explained(capsys, name)["title"]
    assert set(_rule_tables()) > set(RULES)


@pytest.mark.parametrize("metric", get_args(Metric))
def test_every_metric_of_a_gate_is_explained_and_allows_what_check_allows(
    capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    made = explained(capsys, metric.upper())
    assert made["name"] == metric
    assert set(made) >= {"title", "unit", "reports", "devices", "compare", "limit", "proven", "findings"}
    assert set(made["findings"].split(", ")) <= set(RULES)
    assert made["compare"].partition(",")[0] == _SENSE[metric]
    known = Gate(metric=metric, compare="noWorseThanControl", limit=Fraction(1, 100), assurance="proven", min_devices=1, min_requests=0)  # type: ignore[arg-type]  # fmt: skip
    assert ("noWorseThanControl" in made["compare"]) is (why_unprovable(known) is None)
    assert made["proven"].startswith("no") is (metric == "wentSilent")


def test_the_exit_codes_are_those_of_the_program() -> None:
    named = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert set(EXIT_CODES) == named


def test_a_policy_rule_shows_its_condition_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    made = explained(capsys, "ring-canary-before-rest")
    assert "object.rings" in made["condition"]
    assert any(each.startswith("atMost: Largest share") and '(default "' in each for each in made["parameters"])


def test_a_rule_of_the_fleet_is_explained_from_its_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "policies/own-rule"
    folder.mkdir(parents=True)
    (folder / "rule.yaml").write_text(
        "apiVersion: ringtide/v1\nkind: Rule\nid: own-rule\ntitle: Ours.\nselects: Release\n"
        'condition: "true"\nmessage: m\nfix: Mend it.\n'
    )
    assert explained(capsys, "own-rule", "-C", str(tmp_path))["title"] == "Ours."
    (folder / "rule.yaml").write_text("id: [")
    assert run(["explain", "own-rule", "-C", str(tmp_path)]) == 3
    assert "policies/own-rule/rule.yaml:2:1: error[RT-YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["ringplan.rings.gates.limit", "RingPlan.rings[].gates[].limit", "ring-plan.rings.gates.limit", "rings.gates.limit"]
)  # fmt: skip
def test_a_field_is_found_by_kind_or_folder(capsys: pytest.CaptureFixture[str], name: str) -> None:
    made = explained(capsys, name)
    assert made["name"] == "RingPlan.rings.gates.limit"
    assert (made["about"], made["needed"], made["pattern"][0]) == ("field of RingPlan", "yes", "^")


def test_a_field_says_its_default_and_its_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, "ringplan.control")["default"] == '"5%"'
    assert "noWorseThanControl" in explained(capsys, "ringplan.rings.gates.compare")["oneOf"]
    assert explained(capsys, "fleet.artifactStores.main")["about"] == "field of Fleet"


def fields(schema: Mapping[str, Any], shared: Mapping[str, Any], path: str) -> Iterator[str]:
    described = {**shared[schema["$ref"].rpartition("/")[2]], **schema} if "$ref" in schema else schema
    yield path
    if isinstance(described.get("items"), dict):
        yield from fields(described["items"], shared, path)
    for name, inner in described.get("properties", {}).items():
        yield from fields(inner, shared, f"{path}.{name}")


def test_every_field_of_every_kind_is_explained() -> None:
    schemas = _schemas()
    names = {name for kind, schema in schemas.kinds.items() for name in fields(schema, schemas.shared, kind)}
    assert len(names) > 200
    unexplained = {"No more is known of it."}
    for name in names:
        topic = field_topic(name, schemas)
        assert isinstance(topic, Topic), name
        assert topic.name == name
        assert topic.title not in unexplained, name


def test_every_folder_of_the_example_leads_to_a_kind() -> None:
    folders = {path.partition("/")[0] for path in template() if "/" in path and not path.startswith(".")}
    for folder in folders:
        assert isinstance(field_topic(folder, _schemas()), Topic), folder
    assert isinstance(field_topic("rings.nowhere", _schemas()), UnknownField)


def test_an_unknown_name_meets_the_nearest_and_exits_as_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean RT-RING-003" in refused(capsys, "RT-RING-03")
    assert "did you mean release-licence-allowed" in refused(capsys, "release-license-allowed")
    assert refused(capsys, "rings.gatez") == "Error: RingPlan.rings has no field 'gatez'; did you mean gates?"
    assert refused(capsys, "rings.zzz").startswith("Error: RingPlan.rings has no field 'zzz'; it has name, ")
    assert refused(capsys, "%") == "Error: nothing here is called '%'"
