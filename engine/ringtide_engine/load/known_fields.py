"""Fields that a rule names and that no document has: a slip of the pen, found before the rule is asked anything."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text
from ringtide_engine.model.expression import CHOSEN, Element, Read, reads_of
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.policy import RULE_VARIABLES, PolicyRule
from ringtide_engine.model.rules import finding

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.*-]{1,100})\}")
_ANY: Mapping[str, Any] = {}


def unknown_fields(rule: PolicyRule) -> tuple[Finding, ...]:
    """Return a finding for every field that the condition or the message of a rule names and that is never there."""
    reads: list[tuple[str, Read]] = []
    if rule.language == "cel":
        reads += [("/condition", each) for each in reads_of(rule.condition, tuple(RULE_VARIABLES))]
    reads += [("/message", each) for each in _placeholders(rule.message)]
    found: dict[tuple[str, str], Finding] = {}
    for pointer, read in reads:
        unknown = _unknown(_schema_of(read.root, rule), read)
        if unknown is not None:
            field, known = unknown
            meant = get_close_matches(field.rpartition(".")[2], known, n=1, cutoff=0.5)
            fix = f"Did you mean {meant[0]}?" if meant else f"Known fields: {', '.join(sorted(known)) or 'none'}."
            message = f"{rule.id}: there is no field {field}"
            found.setdefault((pointer, field), finding("RT-POLICY-002", rule.document.place(pointer), message, fix))
    return tuple(found.values())


def unknown_parts(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are no parts of `fleet`."""
    return tuple(sorted(set(parts) - set(_view()["properties"])))


def _placeholders(message: str) -> Iterator[Read]:
    for name in _PLACEHOLDER.findall(message):
        steps = tuple(CHOSEN if part == "*" else int(part) if part.isdigit() else part for part in name.split("."))
        if steps[0] in ("params", "fleet"):
            yield Read(root=str(steps[0]), steps=steps[1:])
        else:
            yield Read(root="object", steps=steps)


def _schema_of(root: str, rule: PolicyRule) -> Mapping[str, Any]:
    match root:
        case "object" | "old":
            return _file(SCHEMA_FILES[rule.selects])
        case "fleet":
            return _view()
        case "params":
            return rule.parameters
        case _:
            return _ANY


def _unknown(schema: Mapping[str, Any], read: Read) -> tuple[str, tuple[str, ...]] | None:
    """Return the first field of the way that is never there, and those that may be."""
    here = _branches(schema, schema)
    written = read.root
    for step in read.steps:
        written += f".{step}" if isinstance(step, str) else f"[{step}]" if isinstance(step, int) else "[]"
        if not here:
            return None
        below = [each for one, top in here for each in _step(one, top, step)]
        if not below and isinstance(step, str):
            known = tuple(name for one, _ in here for name in one.get("properties", ()))
            closed = all(one.get("additionalProperties") is False for one, _ in here if _is_object(one))
            return (written, known) if closed and any(_is_object(one) for one, _ in here) else None
        here = below
    return None


_Located = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A schema, and the file that its own references are in."""


def _step(schema: Mapping[str, Any], top: Mapping[str, Any], step: str | int | Read | Element) -> list[_Located]:
    properties, others, items = (
        schema.get("properties", _ANY),
        schema.get("additionalProperties"),
        schema.get("items"),
    )
    if isinstance(step, str) and step in properties:
        return _branches(properties[step], top)
    is_key = isinstance(step, str | Read) or (isinstance(step, Element) and not step.of_macro)
    if is_key and isinstance(others, Mapping):
        return _branches(others, top)
    if not isinstance(step, str) and isinstance(items, Mapping):
        return _branches(items, top)
    return []


def _branches(schema: Mapping[str, Any], top: Mapping[str, Any]) -> list[_Located]:
    """Return the schemas that a value may follow, references resolved."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name, _, pointer = reference.partition("#/definitions/")
        file = _file(name) if name else top
        return _branches(file["definitions"][pointer] if pointer else file, file)
    choices = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ())]
    below = [each for choice in choices for each in _branches(choice, top)]
    return [(schema, top), *below] if _is_object(schema) or "items" in schema or not below else below


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "properties" in schema or "additionalProperties" in schema


@cache
def _file(name: str) -> Mapping[str, Any]:
    assert name in (*SCHEMA_FILES.values(), SHARED)  # noqa: S101  # only our own schemas are read
    content: Mapping[str, Any] = json.loads(schema_text(name))
    return content


def _fields(**properties: Any) -> dict[str, Any]:
    return {"properties": properties, "additionalProperties": False}


def _list(**properties: Any) -> dict[str, Any]:
    return {"items": _fields(**properties)}


def _named(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": schema}


@cache
def _view() -> Mapping[str, Any]:
    """Return the shape of `fleet`."""

    def kind(name: str) -> dict[str, Any]:
        return {"$ref": SCHEMA_FILES[name]}

    labels = _named(_ANY)
    counts = _list(name=_ANY, devices=_ANY, members=_ANY)
    rings = _list(name=_ANY, share=_ANY, cohort=_ANY, open=_ANY, devices=_ANY, strata=counts)
    of_rollout = ("name", "placement", "model", "stable", "candidate", "ringPlan", "phase", "devices")
    of_assignment = ("placement", "model", "cohort", "stratum", "hardwareClass", "release", "variant")
    of_candidate = ("rollout", "candidate", "candidateVariant", "devices")
    moves = _list(**dict.fromkeys(("placement", "model", "from", "to", "devices"), _ANY))
    return _fields(
        settings=kind("Fleet"),
        devices=_fields(total=_ANY, active=_ANY, held=_ANY),
        hardware=_named(kind("HardwareClass")),
        cohorts=_named(_fields(devices=_ANY, strata=_list(name=_ANY, devices=_ANY))),
        strata=_list(name=_ANY, hardwareClass=_ANY, labels=labels, devices=_ANY),
        releases=_named(_named(kind("Release"))),
        ringPlans=_named(kind("RingPlan")),
        placements=_named(kind("Placement")),
        assignments=_list(**dict.fromkeys((*of_assignment, *of_candidate), _ANY), labels=labels),
        running=_named(_named(_list(hardwareClass=_ANY, variant=_ANY, devices=_ANY))),
        installed=_named(_ANY),
        rollouts=_list(**dict.fromkeys(of_rollout, _ANY), labels=_named(_ANY), rings=rings),
        plan=_fields(first=_ANY, now=_ANY, later=_ANY, total=_ANY, moves=moves),
        quarantine=_list(model=_ANY, release=_ANY),
    )
