"""What a plain YAML scalar means: the core schema of YAML 1.2, and nothing more.

`no`, `on`, `1_000` and `2026-12-31` stay text, unlike in YAML 1.1; `0777`, which the two versions read as different
numbers, is refused.
"""

import re
from math import isfinite

from ringtide_contract.canonical import MAX_INTEGER
from ringtide_contract.errors import InputError

Scalar = None | bool | int | float | str

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)

_NUMERIC = frozenset("+-.0123456789")
"""What every number of the forms above begins with."""

_MAX_DIGITS = 40
"""Longer numbers are beyond every field, and slow to read."""


def plain_scalar(text: str) -> Scalar:
    """Return the value of an unquoted scalar (YAML 1.2.2, section 10.3.2).

    Raises:
        InputError: A number that is not finite, beyond what every JSON reader keeps exact, or with a leading zero.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in _NUMERIC:
        return text
    if _NOT_FINITE.fullmatch(text):
        raise InputError(f"{text} is not a finite number")
    if _LEADING_ZERO.fullmatch(text):
        raise InputError(f"some programs read {_short(text)} as octal, for its leading zero")
    base = (
        10 if _INTEGER.fullmatch(text) else 8 if _OCTAL.fullmatch(text) else 16 if _HEXADECIMAL.fullmatch(text) else 0
    )
    if not base and not _FLOAT.fullmatch(text):
        return text
    number: int | float
    if len(text) > _MAX_DIGITS:
        raise InputError(f"a number of {len(text)} characters is too long")
    number = int(text, base) if base else float(text)
    if not isfinite(number) or abs(number) > MAX_INTEGER:
        raise InputError(f"the number {text} is beyond 2^53 - 1")
    return number


def _short(text: str) -> str:
    return text if len(text) <= _MAX_DIGITS else f"{text[:_MAX_DIGITS]}..."
