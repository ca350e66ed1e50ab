"""What comes with ringtide: the example fleet, its schemas and its rules."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.load.schemas import SCHEMA_FILES
from ringtide_engine.shipped import rule_library, schemas, template
from ringtide_engine.workflows.check import check

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_passes_untouched_and_says_only_that_no_device_is_enrolled() -> None:
    outcome = check(template(), None, date(2026, 11, 23), CelConditions())
    assert [(each.rule, each.severity) for each in outcome.findings] == [("RT-DEVICE-005", "info")]


def test_every_file_of_the_example_names_its_schema() -> None:
    for path, content in template().items():
        where = spot(path)
        if isinstance(where, Spot):
            first = content.decode().splitlines()[0]
            up = "../" * path.count("/")
            assert first == f"# yaml-language-server: $schema={up}.ringtide/schemas/{SCHEMA_FILES[where.kind]}"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schemas_are_draft_07_and_refuse_unknown_fields(name: str) -> None:
    schema = json.loads(schemas()[name])
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"

    def visit(part: object) -> None:
        if isinstance(part, dict):
            if "properties" in part and part.get("type") == "object" and isinstance(part["properties"], dict):
                assert part["additionalProperties"] is False
                for field, described in part["properties"].items():
                    assert described.get("description"), f"{field} has no description"
            for each in part.values():
                visit(each)
        elif isinstance(part, list):
            for each in part:
                visit(each)

    visit(schema)


def test_the_library_has_the_rules_that_the_example_chooses() -> None:
    chosen = template()["policies/fleet.yaml"].decode()
    for rule in ("release-has-golden-set", "ring-canary-before-rest", "release-licence-allowed"):
        assert f"rule: {rule}" in chosen
        assert f"policies/{rule}/rule.yaml" in rule_library()


def test_the_workflows_of_the_example_have_no_known_weakness() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("zizmor is not installed")
    result = subprocess.run(
        [zizmor, "--offline", "--no-progress", ROOT / "fleet-repo-template"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout
