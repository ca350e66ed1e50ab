"""The one JSON encoding of signed documents: RFC 8785 over a narrower set of values.

Floating-point numbers are refused: every figure on the wire is an integer in a named unit, so that no two languages
can disagree about its bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ringtide_contract.errors import InputError

MAX_INTEGER = 2**53 - 1
"""The largest integer every JSON reader keeps exact (RFC 7493 section 2.2)."""

MAX_DEPTH = 32
"""Deeper nesting is an attack on the parser, not a document."""

_SURROGATE = re.compile("[\ud800-\udfff]")

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]


def encode(value: Json) -> bytes:
    """Encode a value to its canonical bytes (RFC 8785).

    Raises:
        InputError: A float, an integer beyond 2^53 - 1, a lone surrogate, or nesting beyond `MAX_DEPTH`.
    """
    ordered = _ordered(value, depth=0)
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def decode(content: bytes, *, limit: int) -> Any:
    """Decode JSON strictly: bounded size, no duplicate members, no floats, UTF-8 only.

    Args:
        content: The bytes as received.
        limit: The largest size accepted, in bytes; checked before parsing.

    Raises:
        InputError: Too large, not JSON, a duplicate member, or a value that canonical JSON does not carry.
    """
    if len(content) > limit:
        raise InputError(f"{len(content)} bytes where at most {limit} are allowed")
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"not JSON: {error}") from error
    _ordered(value, depth=0)
    return value


def _ordered(value: object, depth: int) -> Json:
    """Return the value with members in RFC 8785 order (by UTF-16 code units), refusing what cannot be carried."""
    if depth > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _carried(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise InputError(f"the integer {str(value)[:40]} is beyond 2^53 - 1")
        return value
    if isinstance(value, Mapping):
        keys = sorted(value, key=_utf16)
        return {key: _ordered(value[key], depth + 1) for key in keys}
    if isinstance(value, (list, tuple)):
        return [_ordered(item, depth + 1) for item in value]
    raise InputError(f"{type(value).__name__} cannot stand in a canonical document")


def _utf16(key: object) -> bytes:
    if not isinstance(key, str):
        raise InputError(f"the member name {key!r} is not a string")
    return _carried(key).encode("utf-16-be")


def _carried(text: str) -> str:
    if not text.isascii() and _SURROGATE.search(text):
        raise InputError("a string holds a lone surrogate, which UTF-8 cannot carry")
    return text


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InputError(f"the member {name!r} stands twice")
            seen.add(name)
    return members


def _refuse_number(text: str) -> NoReturn:
    raise InputError(f"the number {text[:40]} is not an integer")
