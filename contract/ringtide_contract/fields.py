"""Typed reading of decoded JSON members: the errors name the member and what was expected."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ringtide_contract import API_VERSION
from ringtide_contract.errors import InputError

T = TypeVar("T")


def members(value: object, what: str) -> Mapping[str, Any]:
    """Return `value` as an object.

    Raises:
        InputError: It is not a JSON object.
    """
    if not isinstance(value, dict):
        raise InputError(f"{what} is not an object")
    return value


def document(value: object, kind: str) -> Mapping[str, Any]:
    """Return `value` as a document of `kind` and of this API version.

    Raises:
        InputError: Not an object, another kind, or another version.
    """
    data = members(value, kind)
    if data.get("apiVersion") != API_VERSION or data.get("kind") != kind:
        raise InputError(f"not a {kind} of {API_VERSION}: {data.get('kind')!r} of {data.get('apiVersion')!r}")
    return data


def text(data: Mapping[str, Any], name: str) -> str:
    """Return the string member `name`.

    Raises:
        InputError: Missing, or not a string.
    """
    value = data.get(name)
    if not isinstance(value, str):
        raise InputError(f"{name!r} is not a string")
    return value


def optional_text(data: Mapping[str, Any], name: str) -> str | None:
    """Return the string member `name`, or None where it is absent or null.

    Raises:
        InputError: Present and not a string.
    """
    return None if data.get(name) is None else text(data, name)


def integer(data: Mapping[str, Any], name: str, *, least: int = 0) -> int:
    """Return the integer member `name`.

    Raises:
        InputError: Missing, not an integer, or below `least`.
    """
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name!r} is not an integer of at least {least}")
    return value


def optional_integer(data: Mapping[str, Any], name: str, *, least: int = 0) -> int | None:
    """Return the integer member `name`, or None where it is absent or null.

    Raises:
        InputError: Present and not an integer of at least `least`.
    """
    return None if data.get(name) is None else integer(data, name, least=least)


def boolean(data: Mapping[str, Any], name: str) -> bool:
    """Return the boolean member `name`.

    Raises:
        InputError: Missing, or not a boolean.
    """
    value = data.get(name)
    if not isinstance(value, bool):
        raise InputError(f"{name!r} is not true or false")
    return value


def items(data: Mapping[str, Any], name: str, parse: Callable[[Any], T]) -> tuple[T, ...]:
    """Return the array member `name`, each item parsed; an absent member is an empty array.

    Raises:
        InputError: Not an array, or an item that `parse` refuses.
    """
    value = data.get(name, [])
    if not isinstance(value, list):
        raise InputError(f"{name!r} is not an array")
    return tuple(parse(item) for item in value)


def mapping(data: Mapping[str, Any], name: str, parse: Callable[[Any], T]) -> dict[str, T]:
    """Return the object member `name`, each value parsed; an absent member is an empty object.

    Raises:
        InputError: Not an object, or a value that `parse` refuses.
    """
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise InputError(f"{name!r} is not an object")
    return {key: parse(item) for key, item in value.items()}


def string(value: object) -> str:
    """Return `value` as a string, for use with `items` and `mapping`.

    Raises:
        InputError: It is not a string.
    """
    if not isinstance(value, str):
        raise InputError(f"{str(value)[:40]!r} is not a string")
    return value


def whole(value: object) -> int:
    """Return `value` as a non-negative integer, for use with `items` and `mapping`.

    Raises:
        InputError: It is not one.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{str(value)[:40]!r} is not an integer of at least 0")
    return value
