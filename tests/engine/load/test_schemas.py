"""What the schemas say of themselves is what `ringtide explain` prints."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text


def parts(schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field, entry and value of a schema, however deep."""
    inner = list(schema.get("properties", {}).items())
    inner += [
        (f"<{key}>", schema[key]) for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)
    ]
    for name, each in inner:
        yield f"{where}.{name}", each
        yield from parts(each, f"{where}.{name}")


def whole(file: str) -> list[tuple[str, dict[str, Any]]]:
    schema = json.loads(schema_text(file))
    roots = schema["definitions"] if file == SHARED else {file: schema}
    return [each for name, root in roots.items() for each in parts(root, name)]


@pytest.mark.parametrize("file", [*SCHEMA_FILES.values(), SHARED])
def test_every_field_and_every_entry_says_what_it_is_in_a_sentence(file: str) -> None:
    said = [(where, each.get("description", "")) for where, each in whole(file)]
    assert said
    assert [where for where, text in said if len(text) < 8 or not text.endswith(".")] == []


@pytest.mark.parametrize("file", [*SCHEMA_FILES.values(), SHARED])
def test_every_pattern_has_words_for_a_finding(file: str) -> None:
    assert [where for where, each in whole(file) if "pattern" in each and "title" not in each] == []
