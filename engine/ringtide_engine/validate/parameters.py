"""Parameters of rules: the defaults of the rule's schema under what the policy set says."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from ringtide_engine.model.policy import PolicyRule


def with_defaults(rule: PolicyRule, given: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters in force."""
    properties = rule.parameters.get("properties")
    fields = cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}
    defaults = {
        name: field["default"] for name, field in fields.items() if isinstance(field, Mapping) and "default" in field
    }
    return {**defaults, **given}


def misfits(rule: PolicyRule, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return why parameters do not fit the rule's schema, one sentence each; empty where they do."""
    if _refers(rule.parameters):
        return ("the schema of the parameters uses $ref, which is not read",)
    try:
        Draft7Validator.check_schema(dict(rule.parameters))
    except SchemaError as error:
        return (f"the schema of the parameters is not JSON Schema: {error.message[:200]}",)
    errors = Draft7Validator(dict(rule.parameters)).iter_errors(dict(parameters))
    return tuple(sorted(f"{_named(error.absolute_path)}{error.message[:200]}" for error in errors))


def _named(path: Iterable[str | int]) -> str:
    """Write where within the parameters: `allowed[0]: `; nothing for the parameters as a whole."""
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{written.lstrip('.')[:100]}: " if written else ""


def _refers(schema: object) -> bool:
    # A reference could lead to another machine.
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(_refers(each) for each in schema.values())
    return isinstance(schema, list) and any(_refers(each) for each in schema)
