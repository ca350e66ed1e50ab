"""Golden vectors, read by the tests of both sides.

Each file `<format>.json` holds `{"format", "about", "cases"}`. A case has a `name` and `bytes`, which are UTF-8 text
unless `encoding` says `base64`. A good case has the SHA-256 of its bytes; a bad one has `error`, a part of the message,
and `rule` where the refusal is a matter of trust. Everything else in a case is a fact about it.
"""

import base64
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case."""

    name: str
    """Name of the case, unique in its format."""
    content: bytes
    """The bytes on the wire."""
    sha256: str | None
    """Their digest; None for a bad case."""
    error: str | None
    """Part of the message with which they are refused; None for a good case."""
    rule: str | None
    """Rule of the TrustError; None where the refusal is an InputError."""
    facts: Mapping[str, Any]
    """What else the file says of the case."""

    def __repr__(self) -> str:
        """Return the name: the bytes would drown a test's report."""
        return f"Vector({self.name!r})"


@functools.cache
def load_vectors(name: str) -> tuple[Vector, ...]:
    """Return the cases of a format, such as `manifest`; the file names in this folder are the formats."""
    document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    if document["format"] != name:
        raise AssertionError(f"{name}.json holds {document['format']!r}")
    return tuple(_vector(case) for case in document["cases"])


def vector(name: str, case: str) -> Vector:
    """Return one case by name."""
    return next(item for item in load_vectors(name) if item.name == case)


def good(name: str) -> list[ParameterSet]:
    """Return the good cases as parameters of a test."""
    return [pytest.param(item, id=item.name) for item in load_vectors(name) if item.error is None]


def bad(name: str) -> list[ParameterSet]:
    """Return the bad cases as parameters of a test."""
    return [pytest.param(item, id=item.name) for item in load_vectors(name) if item.error is not None]


def _vector(case: Mapping[str, Any]) -> Vector:
    text = case["bytes"]
    facts = {key: value for key, value in case.items() if key not in ("bytes", "encoding")}
    return Vector(
        name=facts.pop("name"),
        content=base64.b64decode(text) if case.get("encoding") == "base64" else text.encode("utf-8"),
        sha256=facts.pop("sha256", None),
        error=facts.pop("error", None),
        rule=facts.pop("rule", None),
        facts=facts,
    )
