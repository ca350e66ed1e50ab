"""Explanations of fields, from the JSON Schemas of the kinds: `ringplan.rings.gates.limit`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringtide_engine.render.explain import Fact, Topic

Schema = Mapping[str, Any]

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """The kinds of documents, as their schemas describe them."""

    kinds: Mapping[str, Schema]
    """Kind to its schema."""
    shared: Schema
    """What the schemas refer to, by name."""
    folders: Mapping[str, str]
    """Folder, or file without its ending, to the kind that it holds."""

    def kind(self, name: str) -> str | None:
        """Return the kind of that name, or of that folder, however it is spelled; None where there is none."""
        wanted = _squeezed(name)
        spelled = {
            _squeezed(each): kind for each, kind in {**self.folders, **{kind: kind for kind in self.kinds}}.items()
        }
        return spelled.get(wanted)

    def resolved(self, written: Schema) -> Schema:
        """Return a schema with what it refers to; its own words come first."""
        reference = written.get("$ref")
        return written if reference is None else {**self.shared[str(reference).rpartition("/")[2]], **written}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownField:
    """A path that leads nowhere."""

    field: str
    """First part that is not known."""
    within: str
    """The path before it."""
    known: tuple[str, ...]
    """Fields that are known there."""


def field_topic(name: str, schemas: Schemas) -> Topic | UnknownField | None:
    """Explain a kind or a field of it.

    Args:
        name: `<kind or folder>[.<field>...]`. Lists are walked through: `rings.gates` is a field of every ring.
        schemas: The kinds.

    Returns:
        The explanation; which field is unknown; or None where the name does not begin with a kind or a folder.
    """
    first, *path = name.replace("[]", "").split(".")
    kind = schemas.kind(first)
    if kind is None:
        return None
    found = _walk(kind, path, schemas)
    if isinstance(found, UnknownField) and first.lower() in _fields(schemas.kinds[kind], schemas):
        # `rings.gates`: the folder has the name of the field that is meant.
        return _walk(kind, [first, *path], schemas)
    return found


def _walk(kind: str, path: list[str], schemas: Schemas) -> Topic | UnknownField:
    written = described = schemas.kinds[kind]
    name, needed = kind, False
    for part in path:
        fields = _fields(described, schemas)
        known = next((each for each in fields if _squeezed(each) == _squeezed(part)), "*" if "*" in fields else None)
        if known is None:
            return UnknownField(field=part, within=name, known=tuple(fields))
        needed = known in _container(described, schemas).get("required", ())
        written = fields[known]
        described = schemas.resolved(written)
        name = f"{name}.{part if known == '*' else known}"
    about = f"field of {kind}" if path else "kind of document"
    facts: list[Fact] = [("Takes", _takes(described, schemas))]
    if path:
        facts.append(("Needed", "yes" if needed else "no"))
    facts += _limits(described)
    inner = _fields(described, schemas)
    if inner:
        facts.append(("Fields", tuple(f"{each}: {_said(inner[each], schemas)}" for each in inner)))
    return Topic(name=name, about=about, title=_said(written, schemas), facts=tuple(facts))


def _container(schema: Schema, schemas: Schemas) -> Schema:
    """Return the mapping that holds the fields: of a list, that of its items."""
    items = schema.get("items")
    return _container(schemas.resolved(items), schemas) if isinstance(items, Mapping) else schema


def _fields(schema: Schema, schemas: Schemas) -> Mapping[str, Schema]:
    """Return the fields of a mapping or of the items of a list; `*` stands for any key."""
    holder = _container(schema, schemas)
    fields: dict[str, Schema] = dict(holder.get("properties", {}))
    others = holder.get("additionalProperties")
    return {**fields, "*": others} if isinstance(others, Mapping) else fields


def _said(written: Schema, schemas: Schemas) -> str:
    described = schemas.resolved(written)
    return str(described.get("description") or described.get("title") or "No more is known of it.")


def _takes(schema: Schema, schemas: Schemas) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "title" in schema and "properties" not in schema and schema.get("type") != "array":
        return str(schema["title"])
    written = schema.get("type", "object")
    kinds = [written] if isinstance(written, str) else list(written)
    said = " or ".join(_WORDS[each] for each in kinds)
    if isinstance(schema.get("items"), Mapping):
        return f"{said} of: {_takes(schemas.resolved(schema['items']), schemas)}"
    return said


def _limits(schema: Schema) -> list[Fact]:
    facts: list[Fact] = []
    if "enum" in schema:
        facts.append(("One of", tuple(str(each) for each in schema["enum"])))
    if "default" in schema:
        facts.append(("Default", json.dumps(schema["default"], ensure_ascii=False)))
    for keyword, label in (
        ("pattern", "Pattern"),
        ("minimum", "Least"),
        ("maximum", "Most"),
        ("minItems", "Entries at least"),
        ("maxItems", "Entries at most"),
    ):
        if keyword in schema:
            facts.append((label, str(schema[keyword])))
    return facts


def _squeezed(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace("/", "")
