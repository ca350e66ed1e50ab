"""The order in which the schema of a kind names the fields of a mapping: the order in which people read them."""

import json
from functools import cache
from typing import Any

from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text


def field_order(kind: str, pointer: str) -> tuple[str, ...]:
    """Return the fields of the mapping at `pointer`; none where the author chooses the names."""
    schema = _schema(SCHEMA_FILES[kind])
    for part in pointer.split("/")[1:]:
        schema = _below(schema, part.replace("~1", "/").replace("~0", "~"))
    return tuple(schema.get("properties", ()))


def _below(schema: Any, part: str) -> Any:
    fields = schema.get("properties", {})
    if part in fields:
        found = fields[part]
    elif part.isdigit() and "items" in schema:
        found = schema["items"]
    else:
        found = schema.get("additionalProperties", {})
    if isinstance(found, dict) and "$ref" in found:
        return _schema(SHARED)["definitions"][found["$ref"].rpartition("/")[2]]
    return found if isinstance(found, dict) else {}


@cache
def _schema(name: str) -> Any:
    return json.loads(schema_text(name))
