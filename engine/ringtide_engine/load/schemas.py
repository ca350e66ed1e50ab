"""The schema of every kind, and what it says of a document."""

import json
import pkgutil
import re
import unicodedata
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

import jsonschema_rs
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT7

from ringtide_engine.load.documents import Parsed, escape
from ringtide_engine.model.finding import Document, Finding
from ringtide_engine.model.rules import finding

SCHEMA_FILES = {
    "Fleet": "fleet.json",
    "HardwareClass": "hardware-class.json",
    "Device": "device.json",
    "Cohort": "cohort.json",
    "RingPlan": "ring-plan.json",
    "Release": "release.json",
    "Placement": "placement.json",
    "Rollout": "rollout.json",
    "PolicySet": "policy-set.json",
    "Rule": "rule.json",
    "RuleSuite": "rule-suite.json",
    "Waiver": "waiver.json",
    "Change": "change.json",
    "Progress": "progress.json",
    "QuarantineEntry": "quarantine-entry.json",
}
"""Kind to schema file."""

SHARED = "common.json"
"""What the schemas refer to."""

MAX_FINDINGS = 50
"""A document with more mistakes than this is another kind of document."""


@cache
def schema_text(name: str) -> bytes:
    """Return a schema file; the schemas are part of the program, as its modules are."""
    content = pkgutil.get_data("ringtide_engine.load", f"schemas/{name}")
    assert content is not None  # noqa: S101  # a wheel without its own files
    return content


@cache
def validator(kind: str) -> Draft7Validator:
    """Return the validator of a kind."""
    shared = DRAFT7.create_resource(json.loads(schema_text(SHARED)))
    registry: Registry[Any] = Registry().with_resource(SHARED, shared)
    return Draft7Validator(json.loads(schema_text(SCHEMA_FILES[kind])), registry=registry)


@cache
def _gate(kind: str) -> jsonschema_rs.Draft7Validator:
    """Return the compiled form of the same schema: a hundred times as fast, and it only ever says yes."""
    shared = jsonschema_rs.Registry([(SHARED, json.loads(schema_text(SHARED)))], draft=jsonschema_rs.Draft7)
    return jsonschema_rs.Draft7Validator(json.loads(schema_text(SCHEMA_FILES[kind])), registry=shared)


def fits(kind: str, data: object) -> bool:
    """Tell whether plain data certainly fits the schema of a kind; where it does not, `mistakes` has the last word."""
    try:
        return _gate(kind).is_valid(data)
    except ValueError:  # a value that JSON does not have
        return False


def mistakes(document: Document, parsed: Parsed) -> tuple[Finding, ...]:
    """Return what the schema of the document's kind says against it, in the order of the file."""
    if fits(document.kind, parsed.data):
        return ()
    found: list[Finding] = []
    for error in validator(document.kind).iter_errors(parsed.data):
        found.extend(_explain(error, document, parsed.unquoted))
        if len(found) >= MAX_FINDINGS:
            break
    return tuple(sorted(found, key=lambda each: (each.place, each.rule, each.message)))


def pointer_of(path: Iterator[str | int]) -> str:
    """Return the JSON pointer of a path of keys and positions."""
    return "".join(f"/{escape(str(part))}" for part in path)


def _explain(error: ValidationError, document: Document, unquoted: Mapping[str, str]) -> Iterator[Finding]:
    pointer = pointer_of(iter(error.absolute_path))
    place = document.place(pointer)
    field = _name(pointer)
    value: Any = error.instance
    schema: Any = error.schema
    asked: Any = error.validator_value
    title = schema.get("title") if isinstance(schema, Mapping) and pointer else None
    match error.validator:
        case "additionalProperties":
            known = tuple(schema.get("properties", ()))
            for key in sorted(set(value) - set(known)):
                meant = get_close_matches(key, known, n=1, cutoff=0.6)
                fix = f"Did you mean {meant[0]}?" if meant else f"Remove it; known fields: {', '.join(known)}."
                at = document.place(f"{pointer}/{escape(key)}#")
                yield finding("RT-SCHEMA-002", at, f"unknown field {_short(key)}", fix)
        case "required":
            missing = next(name for name in asked if repr(name) in error.message)
            said = f"{field} lacks the field {missing}"
            only = schema.get("properties", {}).get(missing, {}).get("const")
            yield finding("RT-SCHEMA-003", place, said, f"Add `{missing}: {only}`." if only else f"Add `{missing}:`.")
        case "type" if _wants_text(asked) and isinstance(value, (bool, int, float)):
            written = unquoted.get(pointer, json.dumps(value))
            said = f"{field} is the {'boolean' if isinstance(value, bool) else 'number'} {written}, not text"
            fits = re.search(schema.get("pattern", ""), written) is not None
            yield finding("RT-SCHEMA-004", place, said, f'Quote it: "{written}".' if fits else f"Write {title}.")
        case "type":
            wanted = title or " or ".join(_WORDS[name] for name in _names(asked))
            yield finding("RT-SCHEMA-001", place, f"{field} is {_said(value)}, not {wanted}", f"Write {wanted}.")
        case "enum":
            known = tuple(map(str, asked))
            meant = get_close_matches(str(value), known, n=1, cutoff=0.6)
            fix = f"Did you mean {meant[0]}?" if meant else f"Write one of {', '.join(known)}."
            yield finding("RT-SCHEMA-001", place, f"{field} is {_said(value)}, not one of {', '.join(known)}", fix)
        case "const":
            said = f"{field} is {_said(value)}, not {asked}"
            yield finding("RT-SCHEMA-001", place, said, f"Write `{field}: {asked}`.")
        case "pattern":
            names = error.absolute_schema_path and "propertyNames" in error.absolute_schema_path
            at = document.place(f"{pointer}/{escape(str(value))}#") if names else place
            subject = "a key" if names else field
            wanted = _title(schema)
            said = f"{subject} is {_said(value)}{_foreign(value)}, not {wanted}"
            yield finding("RT-SCHEMA-001", at, said, f"Write {wanted}.")
        case "minItems" | "minProperties":
            yield finding("RT-SCHEMA-001", place, f"{field} is empty", "Write at least one entry.")
        case "maxItems" | "maxProperties":
            yield finding("RT-SCHEMA-001", place, f"{field} has more than {asked} entries")
        case "minLength" | "maxLength":
            bound = "at least" if error.validator == "minLength" else "at most"
            said = f"{field} has {len(value)} characters, not {bound} {asked}"
            yield finding("RT-SCHEMA-001", place, said)
        case "minimum" | "maximum":
            bound = "at least" if error.validator == "minimum" else "at most"
            yield finding("RT-SCHEMA-001", place, f"{field} is {_said(value)}, not {bound} {asked}")
        case "uniqueItems":
            yield finding("RT-SCHEMA-001", place, f"{field} has an entry twice", "Remove one of the two.")
        case _:
            yield finding("RT-SCHEMA-001", place, f"{field}: {error.message[:200]}")


_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _name(pointer: str) -> str:
    """Return the last part of a pointer in words: `rings[2].share` for `/rings/2/share`."""
    name = ""
    for part in pointer.split("/")[1:]:
        name += f"[{part}]" if part.isdigit() else f".{part}" if name else part
    return _short(name.replace("~1", "/").replace("~0", "~")) or "the document"


def _names(kinds: Any) -> list[str]:
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _wants_text(kinds: Any) -> bool:
    return "string" in _names(kinds)


def _title(schema: Any) -> str:
    return str(schema.get("title", "what the field takes")) if isinstance(schema, Mapping) else "what the field takes"


def _said(value: Any) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return _short(json.dumps(value, ensure_ascii=False))


def _foreign(text: str) -> str:
    """Name the first sign that may look like another one."""
    sign = next((each for each in text if not each.isascii()), None)
    return f" (with {unicodedata.name(sign, f'U+{ord(sign):04X}')})" if sign is not None else ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
