"""Reports of real changes, made by the compiler, in every form: JSON by its schema, comment and page by their words."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.plan_report import PlanReport
from ringtide_engine.render.comment import comment
from ringtide_engine.render.json_text import json_text
from ringtide_engine.render.plan_json import plan_json
from ringtide_engine.workflows.plan import plan_report

SCHEMA = Draft7Validator(
    json.loads((Path(__file__).resolve().parents[3] / "docs/spec/plan.schema.json").read_text(encoding="utf-8"))
)
BASE = fleet_files()
MOVED, PLACED = "devices/edge-s-0001.yaml", "placements/digits-everywhere.yaml"


def edited(path: str, old: bytes, new: bytes) -> Mapping[str, bytes]:
    assert old in BASE[path]
    return {**BASE, path: BASE[path].replace(old, new)}


def reported(base: Mapping[str, bytes] | None, head: Mapping[str, bytes]) -> PlanReport:
    return plan_report(base, head, now=datetime(2026, 11, 23, 9, 0, tzinfo=UTC), engine=CelConditions())


CHANGES: Mapping[str, tuple[Mapping[str, bytes] | None, Mapping[str, bytes], tuple[str, ...]]] = {
    "the first publication": (None, BASE, ("**12 of 12 devices change", "| placement digits-everywhere | – |")),
    "nothing": (BASE, BASE, ("**No changes.**",)),
    "a rollout": (
        BASE,
        fleet_files(rollout="1.1.0"),
        (
            "**0 of 12 devices change with the next publication; 12 later, as rings open.**",
            "| rollout digits-1.1.0 | canary | digits | 1.0.0 | 1.1.0 | 0 | 3 |",
            "until ring canary has passed its gates",
        ),
    ),
    "a rollout to one device": (
        fleet_files(1),
        fleet_files(1, rollout="1.1.0"),
        ("1 device does not take digits 1.1.0 with the next publication",),
    ),
    "a moved label": (
        BASE,
        edited(MOVED, b"region: eu", b"region: us"),
        ("- **cohort eu**: 1 device leaves (`edge-s-0001`)",),
    ),
    "a removed placement": (
        BASE,
        {path: content for path, content in BASE.items() if path != PLACED},
        ("**Refused.**", "12 lose a model.", "`RT-GUARD-002`", "`RT-DANGER-009`"),
    ),
    "broken YAML": (
        BASE,
        {**BASE, PLACED: b"a: [\n"},
        ("**This change cannot be planned.**", "`RT-YAML-003` `placements/digits-everywhere.yaml:"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_real_change_is_told_and_its_json_is_what_the_schema_describes(change: str) -> None:
    base, head, words = CHANGES[change]
    report = reported(base, head)
    SCHEMA.validate(json.loads(json_text(plan_json(report))))
    text = comment(report, version="1")
    for each in words:
        assert each in text
