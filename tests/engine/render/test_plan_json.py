"""`plan.json` is what its published schema describes: every member, and nothing more."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from fakes.hostile_words import found
from fakes.plan_reports import report, reports
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan_report import PlanReport, Unsatisfiable
from ringtide_engine.model.policy import WaiverInForce
from ringtide_engine.render.json_text import json_text
from ringtide_engine.render.plan_json import plan_json

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/spec/plan.schema.json").read_text())


def closed(schema: Any) -> Any:
    """Return the schema with every mapping closed, so that an undescribed member fails."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema and "required" in schema else inner


CLOSED = Draft7Validator(closed(SCHEMA))


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(reports(2))
def test_any_plan_is_what_the_schema_describes(each: PlanReport) -> None:
    made = json.loads(json_text(plan_json(each)))
    CLOSED.validate(made)
    assert (made["digest"] is None) == (each.plan is None)


def test_every_member_of_a_full_plan_is_described() -> None:
    waiver = WaiverInForce(
        name="w", rule="r", scope=("a",), reason="x", owner="o", expires=report().at.date(), covered=1
    )
    never = Unsatisfiable(rollout="r", ring="c", gate=None, why="w", place=Place(path="a"))
    full = report(waivers=(waiver,), unsatisfiable=(never,), findings=(found(waiver="w"),))
    made = plan_json(full)
    assert all(made[name] for name in ("rows", "changes", "memberships", "dangers", "omissions", "waivers", "findings"))
    CLOSED.validate(made)
    assert not CLOSED.is_valid({**made, "more": 1})


def test_readers_of_today_take_members_of_tomorrow() -> None:
    Draft7Validator(SCHEMA).validate({**plan_json(report()), "more": 1})
