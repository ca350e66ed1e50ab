"""Rules in Rego answer as the same rules in CEL do, and a module can neither hang nor end the program that checks it."""

import json
import sys
from datetime import date

import pytest
import yaml

from fakes.fleet_files import fleet_files
from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.adapters.rego_conditions import MAX_MODULE, RegoConditions
from ringtide_engine.model.policy import RULE_VARIABLES
from ringtide_engine.shipped import rule_library
from ringtide_engine.validate.rego_reads import rego_reads
from ringtide_engine.workflows.check import check
from ringtide_engine.workflows.policy_suites import run_suites

HEAD = "package ringtide.rule\n\nimport rego.v1\n\n"

IN_REGO = {
    "ring-canary-before-rest": """
        allow if { count(input.object.rings) > 1; input.object.rings[0].cohort }
        allow if { count(input.object.rings) > 1; percent(input.object.rings[0].share) <= percent(input.params.atMost) }
        percent(text) := to_number(trim_suffix(text, "%"))
    """,
    "release-licence-allowed": "allow if input.object.licence in input.params.allowed",
    "ring-not-skipped": """
        allow if input.old == null
        allow if input.object.release == null
        allow if input.object.release == input.old.release
        allow if input.fleet.plan.first
        allow if not jumps
        jumps if {
          some move in input.fleet.plan.moves
          move.placement == input.object.name
          move.from != null
          move.from != move.to
          move.devices > 0
        }
    """,
}
"""Shipped rules, written again."""


@pytest.mark.parametrize("rule", IN_REGO)
def test_a_shipped_rule_says_the_same_in_rego_of_all_its_samples(rule: str) -> None:
    files = {path: content for path, content in rule_library().items() if path.startswith(f"policies/{rule}/")}
    written = yaml.safe_load(files[f"policies/{rule}/rule.yaml"])
    files[f"policies/{rule}/rule.yaml"] = json.dumps(
        {**written, "language": "rego", "condition": HEAD + IN_REGO[rule]}
    ).encode()
    results, findings = run_suites(files, wiring.policies())
    assert findings == ()
    (result,) = results
    assert result.problems == ()
    assert {each.held for each in result.judged} == {True, False}


OWN = """\
apiVersion: ringtide/v1
kind: Rule
id: ours
title: A rollout needs a plan of its fleet.
severity: error
selects: Rollout
language: rego
condition: |
  package ringtide.rule
  import rego.v1
  allow if {READS}
message: "{name} is refused"
fix: Ask the owner.
"""


@pytest.mark.parametrize(
    ("reads", "refused"),
    [
        ("{ some each in input.fleet.rollouts; each.name == input.object.name; each.devices == 12 }", False),
        ("{ some each in input.fleet.rollouts; each.name == input.object.name; each.devices == 13 }", True),
        ("input.fleet.devices.total == 12", False),
        ('input["fleet"].plan.total == 12', False),
        ('input.today == "2026-11-23"', False),
        ("input.old != null", True),
    ],
)
def test_a_repositorys_own_rule_in_rego_reads_the_resolved_fleet(reads: str, refused: bool) -> None:
    files = {
        **fleet_files(12, rollout="1.1.0"),
        "policies/ours/rule.yaml": OWN.replace("{READS}", reads).encode(),
        "policies/own.yaml": b"apiVersion: ringtide/v1\nkind: PolicySet\nname: own\nrules: [{rule: ours}]\n",
    }
    found = check(files, None, date(2026, 11, 23), wiring.policies()).findings
    assert [each.message for each in found] == (["digits-1.1.0 is refused"] if refused else [])


@pytest.fixture(scope="module")
def rego() -> RegoConditions:
    return RegoConditions(limit_s=1)


def holds(rego: RegoConditions, body: str, **variables: object) -> bool:
    return rego.compile(HEAD + body, RULE_VARIABLES).holds(variables)


def test_a_condition_that_is_undefined_does_not_hold(rego: RegoConditions) -> None:
    assert holds(rego, "allow if input.object.size == 3", object={"size": 3})
    assert not holds(rego, "allow if input.object.size == 3", object={})
    assert not holds(rego, "default allow := false", object={})


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (HEAD + "allow if input.object.a ==", "line 5, column 27: expecting expression"),
        (HEAD + "allow if unknown(1)", "could not find function unknown"),
        (HEAD + "allow if x == 3", "undefined variable `x`"),
        (HEAD + "allow if allow", "recursion"),
        (HEAD + "allow := 3", "`allow` is 3"),
        (HEAD + "deny if true", "no rule `allow`"),
        ("package elsewhere\n\nallow := true", "not `package ringtide.rule`"),
        ("has(object.golden)", "expecting `package`"),
        (HEAD + "allow if time.now_ns() > 0", "time.now_ns may answer differently each time"),
        (HEAD + 'allow if http.send({"method": "get", "url": "http://127.0.0.1"})', "http.send"),
        (HEAD + "#" * MAX_MODULE, "characters, not at most"),
    ],
)
def test_a_module_that_is_no_condition_is_refused_when_loaded(
    rego: RegoConditions, module: str, complaint: str
) -> None:
    with pytest.raises(InputError) as caught:
        rego.compile(module, RULE_VARIABLES)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("f(x) := f(x)\nallow if f(input.object.few)", "calls itself without end"),
        (
            "allow if { some a in input.object.many; some b in input.object.many; some c in input.object.many; a + b + c < 0 }",
            "more than 1 seconds of computing",
        ),
        ("allow if numbers.range(1, input.object.huge)[0] == 0", "too much memory"),
        ("allow if to_number(input.object.text) == 1", "could not parse string as number"),
        ("allow := input.object.few", "`allow` is [1]"),
    ],
)
def test_a_module_that_fails_says_so_and_the_next_is_answered(rego: RegoConditions, body: str, complaint: str) -> None:
    condition = rego.compile(HEAD + body, RULE_VARIABLES)
    values = {"few": [1], "many": list(range(2000)), "huge": 2_000_000_000, "text": "x"}
    with pytest.raises(InputError, match="the condition fails: ") as caught:
        condition.holds({"object": values})
    assert complaint in str(caught.value)
    assert holds(rego, "allow if input.object.few", object=values)


def test_a_document_cannot_break_out_of_its_line(rego: RegoConditions) -> None:
    text = 'a\n{"id": 1}\u2028"\\'
    assert holds(rego, "allow if input.object.text == input.params.text", object={"text": text}, params={"text": text})


def test_without_the_extra_a_rule_in_rego_names_what_to_install() -> None:
    bare = RegoConditions(interpreter=(sys.executable, "-I", "-S"))
    with pytest.raises(InputError, match=r"pip install 'ringtide\[rego\]'"):
        bare.compile(HEAD + "allow := true", RULE_VARIABLES)


@pytest.mark.parametrize(
    ("module", "reads"),
    [
        ("allow if input.object.name == input.params.name", [("object", ()), ("params", ())]),
        ("allow if input.fleet.plan.now == 0", [("fleet", ("plan",))]),
        ("allow if input.fleet[part]", [("object", ()), ("old", ()), ("fleet", ())]),
        ("document := input\nallow if document.object", [("object", ()), ("old", ()), ("fleet", ())]),
    ],
)
def test_a_module_gets_the_parts_that_it_names_and_everything_where_that_is_unclear(
    module: str, reads: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert [(each.root, each.steps) for each in rego_reads(module)] == reads


def test_each_engine_refuses_the_language_of_the_other() -> None:
    with pytest.raises(InputError, match="in rego, not in cel"):
        CelConditions().compile("true", RULE_VARIABLES, "rego")
    with pytest.raises(InputError, match="in cel, not in rego"):
        RegoConditions().compile("true", RULE_VARIABLES, "cel")
