"""The room's second door: the rules that a fleet has chosen, over the documents that they select."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ringtide_contract.errors import InputError
from ringtide_contract.keys import public_pem
from ringtide_engine.model.desired import DesiredState, Device, RuleChoice
from ringtide_engine.model.finding import Finding, Place, Severity
from ringtide_engine.model.policy import Condition, PolicyEngine, PolicyRule, RuleVariables
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.members import place_of
from ringtide_engine.validate.parameters import misfits, with_defaults

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]{1,100})\}")


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
            made = _ready(choice, rules, engine, document.place(f"{choice.pointer}/rule"))
            if isinstance(made, AppliedRule):
                applied[choice.rule] = made
            else:
                findings.extend(made)
    return tuple(applied[rule] for rule in sorted(applied)), tuple(findings)


def judge(state: DesiredState, base: DesiredState | None, applied: tuple[AppliedRule, ...]) -> tuple[Finding, ...]:
    """Return what the rules say of the documents they select, and of those they cannot answer for."""
    fleet = _fleet(state)
    findings: list[Finding] = []
    for each in applied:
        before = {key: data for key, data, _ in _selected(base, each.rule)} if base else {}
        for key, data, place in _selected(state, each.rule):
            said = verdict(each, data, before.get(key), fleet, place)
            findings.extend(() if said is None else (said,))
    return tuple(findings)


def verdict(
    applied: AppliedRule,
    data: Mapping[str, object],
    old: Mapping[str, object] | None,
    fleet: Mapping[str, object],
    place: Place,
) -> Finding | None:
    """Return the finding of one rule on one document, None where its condition holds."""
    rule = applied.rule
    variables = {"object": data, "old": old, "fleet": fleet, "params": applied.parameters}
    try:
        if applied.condition.holds(variables):
            return None
    except InputError as error:
        return finding("RT-POLICY-004", place, f"{rule.id}: {error}")
    message = _fill(rule.message, data, applied.parameters)
    return Finding(rule=rule.id, severity=applied.severity, place=place, message=message, fix=rule.fix)


def _ready(
    choice: RuleChoice, rules: Mapping[str, PolicyRule], engine: PolicyEngine, place: Place
) -> AppliedRule | tuple[Finding, ...]:
    rule = rules.get(choice.rule)
    if rule is None:
        return (finding("RT-POLICY-001", place, f"there is no rule {choice.rule}"),)
    parameters = with_defaults(rule, choice.parameters)
    wrong = misfits(rule, parameters)
    if wrong:
        return tuple(finding("RT-POLICY-003", place, f"{choice.rule}: {each}") for each in wrong)
    try:
        condition = engine.compile(rule.condition, RuleVariables)
    except InputError as error:
        return (finding("RT-POLICY-002", place, f"{choice.rule}: {error}"),)
    severity = choice.severity or rule.severity
    return AppliedRule(rule=rule, severity=severity, parameters=parameters, condition=condition)


def _selected(state: DesiredState, rule: PolicyRule) -> Iterator[tuple[str, Mapping[str, object], Place]]:
    """Yield path or device id, content and place of what a rule judges."""
    if rule.selects == "Device":
        for name in sorted(state.devices):
            device = state.devices[name]
            yield name, _written(device), place_of(state, device, rule.at)
        return
    for path in sorted(state.documents):
        document = state.documents[path]
        if document.kind == rule.selects:
            yield path, document.data, document.place(rule.at)


def _fleet(state: DesiredState) -> Mapping[str, object]:
    return state.documents["fleet.yaml"].data


def _written(device: Device) -> Mapping[str, object]:
    return {
        "apiVersion": "ringtide/v1",
        "kind": "Device",
        "id": device.id,
        "publicKey": public_pem(device.public_key),
        "hardwareClass": device.hardware_class,
        "labels": dict(device.labels),
        "state": device.state,
        "pins": [{"model": pin.model, "release": pin.release} for pin in device.pins],
    }


def _fill(message: str, data: Mapping[str, object], parameters: Mapping[str, object]) -> str:
    def field(match: re.Match[str]) -> str:
        value: object = {**data, "params": parameters}
        for part in match[1].split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = None
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "nothing" if value is None else str(value)

    return _PLACEHOLDER.sub(field, message)
