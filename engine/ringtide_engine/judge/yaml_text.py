"""YAML as the judge writes it: the same text for the same values, and read back as the same values.

Every value is quoted, so that no reader takes a cut such as `12345678901234e5` for a number or an instant for a date.
"""

from collections.abc import Mapping
from typing import Any

import yaml


class _Quoted(str):
    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Quoted, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style='"')
)

_ENDLESS = 1_000_000
"""Sentences stay on one line: a fold would move with their length."""


def yaml_text(document: Mapping[str, object]) -> bytes:
    """Write a document; its first lines are `apiVersion` and `kind`, unquoted as people write them."""
    head = {name: document[name] for name in ("apiVersion", "kind")}
    rest = {name: _quoted(value) for name, value in document.items() if name not in head}
    text: str = yaml.dump({**head, **rest}, Dumper=_Dumper, sort_keys=False, width=_ENDLESS, allow_unicode=True)
    return text.encode("utf-8")


def _quoted(value: object) -> Any:
    match value:
        case str():
            return _Quoted(value)
        case Mapping():
            return {name if name.isidentifier() else _Quoted(name): _quoted(item) for name, item in value.items()}
        case list() | tuple():
            return [_quoted(item) for item in value]
        case _:
            return value
