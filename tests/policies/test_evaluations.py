"""A condition is asked once for all documents that are alike in what it reads, and gets no more than that."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.expression import CHOSEN, ELEMENT, Read, narrow, reads_of, wanted
from ringtide_engine.model.policy import RULE_VARIABLES, Condition
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.check import CheckOutcome, check
from ringtide_engine.workflows.policy_suites import run_suites

RULE = """\
apiVersion: ringtide/v1
kind: Rule
id: {rule}
title: A rule of our own.
selects: {selects}
condition: {condition}
message: "{{{named}}} is wrong"
fix: Mend it.
"""


class Counting:
    """An engine that keeps what its conditions are asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, object]] = []

    def compile(self, expression: str, *rest: Any) -> Condition:
        condition, asked = CelConditions().compile(expression, *rest), self.asked

        class Kept:
            def holds(self, variables: Mapping[str, object]) -> bool:
                asked.append(variables)
                return condition.holds(variables)

        return Kept()


def judged(
    devices: int, condition: str, selects: str = "Device", base: int | None = None, held: bool = False
) -> tuple[Counting, CheckOutcome]:
    engine = Counting()
    named = "id" if selects == "Device" else "name"
    files = fleet_files(devices) | {
        "policies/fleet.yaml": b"apiVersion: ringtide/v1\nkind: PolicySet\nname: fleet\nrules:\n  - rule: ours\n",
        "policies/ours/rule.yaml": RULE.format(rule="ours", selects=selects, condition=condition, named=named).encode(),
    }
    if held:  # every second dozen of the inventory
        lines = files["devices/all.jsonl"].decode().splitlines()
        told = [{**json.loads(line), **({"state": "held"} if row // 12 % 2 else {})} for row, line in enumerate(lines)]
        files["devices/all.jsonl"] = "\n".join(map(json.dumps, told)).encode()
    before = None if base is None else fleet_files(base)
    return engine, check(files, before, date(2026, 11, 23), engine)


def test_ten_thousand_devices_of_twelve_kinds_cost_twelve_evaluations() -> None:
    condition = "object.labels.region == 'eu' && object.hardwareClass != 'edge-x' && object.state == 'active'"
    engine, outcome = judged(10_000, condition, held=True)
    assert len(engine.asked) == 12
    assert engine.asked[0]["object"] == {"labels": {"region": "eu"}, "hardwareClass": "edge-l", "state": "active"}
    refused = [each for each in outcome.findings if each.rule == "ours"]
    assert len(refused) > 5000
    assert len({each.message for each in refused}) == len(refused)


def test_devices_that_a_rule_compares_with_the_base_are_alike_only_where_the_base_is() -> None:
    engine, _ = judged(120, "old == null || object.hardwareClass == old.hardwareClass", base=60)
    assert len(engine.asked) == 6
    assert sum(each["old"] is None for each in engine.asked) == 3


def test_a_rule_that_reads_the_id_is_asked_for_every_device() -> None:
    engine, _ = judged(60, "object.id != 'edge-s-0001'")
    assert len(engine.asked) == 60


def test_documents_alike_in_what_is_read_are_judged_once_and_each_gets_its_finding() -> None:
    engine, outcome = judged(12, "object.arch == 'other'", selects="HardwareClass")
    assert len(engine.asked) == len({str(each["object"]) for each in engine.asked}) < 3
    assert sorted(each.message for each in outcome.findings if each.rule == "ours") == [
        "edge-l is wrong",
        "edge-m is wrong",
        "edge-s is wrong",
    ]


def test_the_whole_input_gives_the_same_verdicts_on_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_results = run_suites(rule_library(), CelConditions())
    monkeypatch.setattr("ringtide_engine.validate.policy.wanted", lambda reads, root: None)
    assert run_suites(rule_library(), CelConditions()) == narrow_results


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("object.a.b == 'object.x' && has(object.c)", [("a", "b"), ("c",)]),
        ("object['a'][0].b", [("a", 0, "b")]),
        (
            "object.rings.all(r, r.gates.exists(g, g.metric == 'x'))",
            [("rings",), ("rings", ELEMENT, "gates"), ("rings", ELEMENT, "gates", ELEMENT, "metric")],
        ),
        ("object == null", [()]),
        ("size(object.a) > 1 && object.b.size() > 2", [("a",), ("b",)]),
        ("object[params.name].x", [(Read(root="params", steps=("name",)), "x")]),
        ("object.a[1 + 1].x", [("a", CHOSEN, "x")]),
        ("{'object': 1}.object == 1 // object.z", []),
        ('r\'\\object.a\' == """object.b""" && object.`a-b` == 1', [("a-b",)]),
        ("objects.a == my.object.b", []),
    ],
)
def test_what_an_expression_reads_is_seen_in_its_text(expression: str, paths: list[tuple[object, ...]]) -> None:
    reads = reads_of(expression, tuple(RULE_VARIABLES))
    assert [each.steps for each in reads if each.root == "object"] == paths


def test_only_wanted_fields_are_kept_and_what_is_not_there_stays_away() -> None:
    data = {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": 3, "m": {"x": {"y": 1, "z": 2}, "w": {}}}

    def kept(expression: str) -> object:
        variables = {"object": data, "params": {"name": "x"}}
        return narrow(data, wanted(reads_of(expression, tuple(RULE_VARIABLES)), "object"), variables)

    assert kept("object.a.b == object.nothing.b") == {"a": {"b": 1}}
    assert kept("object.d[0].e") == {"d": data["d"]}
    assert kept("object.a.b == 1 && object.a != object.g") == {"a": data["a"], "g": 3}
    assert kept("object.m[params.name].y") == {"m": {"x": {"y": 1}}}
    assert kept("object == object.a") is data
    assert kept("true") == {}
    assert kept("object == null") == {}
    assert kept("has(object.a.b) && has(object.m)") == {"a": {"b": 1}, "m": {}}
    assert kept("object.m != null && 'x' in object.m") == {"m": {"x": None, "w": None}}
    assert kept("object.m.all(key, object.m.x.y == 1)") == {"m": {"x": {"y": 1}, "w": None}}
    assert kept("object.d.all(each, each.e == 1)") == {"d": data["d"]}
    assert kept("1 + size(object.m) > 2 && object.m.size() == 1") == {"m": {"x": None, "w": None}}
    assert kept("true == object.m == null") == {"m": data["m"]}
