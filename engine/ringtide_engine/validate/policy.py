"""The rules that a fleet has chosen, made ready, and what one of them says of one document."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from ringtide_contract.errors import InputError
from ringtide_engine.model.desired import DesiredState, RuleChoice
from ringtide_engine.model.expression import Read, Wanted, narrow, reads_of, wanted
from ringtide_engine.model.finding import Finding, Place, Severity
from ringtide_engine.model.policy import RULE_VARIABLES, Condition, PolicyEngine, PolicyRule, VariableType
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.message import filled
from ringtide_engine.validate.parameters import misfits, with_defaults
from ringtide_engine.validate.rego_reads import rego_reads

_NARROWED = ("object", "old", "fleet")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRule:
    """A rule in force."""

    rule: PolicyRule
    """The rule."""
    severity: Severity
    """Its severity here."""
    parameters: Mapping[str, object]
    """Its parameters here, defaults among them."""
    condition: Condition
    """Its condition, ready."""
    wants: Mapping[str, Wanted | None]
    """Variable to the fields of it that the condition reads; None: all of it."""

    @property
    def parts(self) -> frozenset[str] | None:
        """Parts of the fleet that it reads; None: all of them."""
        tree = self.wants["fleet"]
        return None if tree is None else frozenset(each for each in tree if isinstance(each, str))


def choose(
    state: DesiredState, rules: Mapping[str, PolicyRule], engine: PolicyEngine
) -> tuple[tuple[AppliedRule, ...], tuple[Finding, ...]]:
    """Make the chosen rules ready.

    Args:
        state: Its policy sets choose.
        rules: The library and the repository's own rules, by id.
        engine: Compiles conditions.

    Returns:
        The rules in force, ordered by id, and what is wrong with the others.
    """
    applied: dict[str, AppliedRule] = {}
    findings: list[Finding] = []
    for name in sorted(state.policy_sets):
        policies = state.policy_sets[name]
        document = state.documents[policies.path]
        for choice in policies.rules:
            if choice.rule in applied:
                message = f"{choice.rule} is in force already"
                findings.append(finding("RT-POLICY-005", document.place(f"{choice.pointer}/rule"), message))
                continue
            made = _ready(choice, rules, engine, document.place(f"{choice.pointer}/rule"), state.documents)
            if isinstance(made, AppliedRule):
                applied[choice.rule] = made
            else:
                findings.extend(made)
    return tuple(applied[rule] for rule in sorted(applied)), tuple(findings)


def apply(rule: PolicyRule, severity: Severity, parameters: Mapping[str, object], engine: PolicyEngine) -> AppliedRule:
    """Make one rule ready.

    Raises:
        InputError: Its condition does not compile.
    """
    condition = engine.compile(rule.condition, {**RULE_VARIABLES, **_parameter_types(rule)}, rule.language)
    reads = _reads(rule)
    wants = {root: wanted(reads, root) for root in _NARROWED}
    return AppliedRule(rule=rule, severity=severity, parameters=parameters, condition=condition, wants=wants)


def narrowed(applied: AppliedRule, variables: Mapping[str, object]) -> dict[str, object]:
    """Return the variables with only the fields that the rule's condition reads.

    Args:
        applied: The rule.
        variables: `object`, `old`, `fleet` and `today`.
    """
    slim = dict(variables)
    for root, tree in applied.wants.items():
        slim[root] = narrow(variables[root], tree, variables)
    slim["params"] = applied.parameters
    return slim


def failure(applied: AppliedRule, variables: Mapping[str, object]) -> str | None:
    """Evaluate a rule on narrowed variables.

    Returns:
        None where the condition holds, the empty text where it does not, or why it cannot be told.
    """
    try:
        return None if applied.condition.holds(variables) else ""
    except InputError as error:
        return str(error)


def said(applied: AppliedRule, why: str, variables: Mapping[str, object], place: Place) -> Finding:
    """Return the finding on a document, `object` of the variables, for which `failure` was `why`."""
    rule = applied.rule
    if why:
        return finding("RT-POLICY-004", place, f"{rule.id}: {why}", _mend(why))
    message = filled(rule.message, {**variables, "params": applied.parameters})
    return Finding(rule=rule.id, severity=applied.severity, place=place, message=message, fix=rule.fix)


def _mend(why: str) -> str | None:
    """Return what helps against a failure; None where the rule's own fix does."""
    if "budget" in why:
        return "Go through less in the condition: a narrower part of `fleet`, or two rules instead of one."
    if "convert" in why:
        return "Convert only what has been tested, such as with `object.version.matches('^[0-9]+$') && …`."
    if re.search(r"[Kk]ey|field|[Nn]o such|index", why):
        return "Guard the condition with `has(...)`, or with `in` or `size(...)` for keys and lists."
    return None


def _ready(
    choice: RuleChoice,
    rules: Mapping[str, PolicyRule],
    engine: PolicyEngine,
    place: Place,
    own: Collection[str],
) -> AppliedRule | tuple[Finding, ...]:
    rule = rules.get(choice.rule)
    if rule is None:
        near = get_close_matches(choice.rule, rules, n=1)
        fix = f"Did you mean {near[0]}?" if near else "Name a rule that `ringtide policy list` shows."
        return (finding("RT-POLICY-001", place, f"there is no rule {choice.rule}", fix),)
    parameters = with_defaults(rule, choice.parameters)
    wrong = misfits(rule, parameters)
    if wrong:
        fix = f"Mend the parameters; `ringtide explain {choice.rule}` says what they take."
        return tuple(finding("RT-POLICY-003", place, f"{choice.rule}: {each}", fix) for each in wrong)
    try:
        return apply(rule, choice.severity or rule.severity, parameters, engine)
    except InputError as error:
        at = rule.document.place("/condition") if rule.document.path in own else place
        return (finding("RT-POLICY-002", at, f"{choice.rule}: {error}"),)


def _reads(rule: PolicyRule) -> tuple[Read, ...]:
    if rule.language != "cel":
        return rego_reads(rule.condition)
    return reads_of(rule.condition, tuple(RULE_VARIABLES))


def _parameter_types(rule: PolicyRule) -> Mapping[str, VariableType]:
    """Return the types of the parameters that are always there."""
    properties = rule.parameters.get("properties")
    fields = cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}
    types: dict[str, VariableType] = {}
    for name, field in fields.items():
        if not isinstance(field, Mapping) or "default" not in field or not name.isidentifier():
            continue
        items = field.get("items")
        match field.get("type"):
            case "string":
                types[f"params.{name}"] = "text"
            case "integer":
                types[f"params.{name}"] = "integer"
            case "number":
                types[f"params.{name}"] = "number"
            case "boolean":
                types[f"params.{name}"] = "boolean"
            case "array" if isinstance(items, Mapping) and items.get("type") == "string":
                types[f"params.{name}"] = "texts"
    return types
