"""Reading members: absence and wrong types are told apart from values, and the message names the member."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ringtide_contract import API_VERSION, fields
from ringtide_contract.errors import InputError

WRONG: dict[Callable[[Mapping[str, Any], str], object], list[object]] = {
    fields.text: [None, 1, True, [], {}],
    fields.optional_text: [1, True, [], {}],
    fields.integer: [None, True, False, "1", -1, 1.0, []],
    fields.optional_integer: [True, "1", -1, []],
    fields.boolean: [None, 0, 1, "true"],
}


@pytest.mark.parametrize(
    ("read", "value"),
    [(read, value) for read, values in WRONG.items() for value in values],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_a_wrong_value_is_refused_and_its_member_named(
    read: Callable[[Mapping[str, Any], str], object], value: object
) -> None:
    with pytest.raises(InputError, match="'size'"):
        read({"size": value}, "size")


def test_a_missing_member_is_refused_unless_it_is_optional() -> None:
    for read in (fields.text, fields.integer, fields.boolean):
        with pytest.raises(InputError, match="'size'"):
            read({}, "size")
    for optional in (fields.optional_text, fields.optional_integer):
        assert optional({}, "size") is None
        assert optional({"size": None}, "size") is None


def test_good_values_pass_unchanged() -> None:
    data = {"text": "", "number": 0, "flag": False, "list": ["a", "b"], "map": {"a": 3}}
    assert fields.text(data, "text") == ""
    assert fields.integer(data, "number") == 0
    assert fields.boolean(data, "flag") is False
    assert fields.items(data, "list", fields.string) == ("a", "b")
    assert fields.mapping(data, "map", fields.whole) == {"a": 3}


def test_an_absent_array_or_object_is_empty_and_null_is_not() -> None:
    assert fields.items({}, "list", fields.string) == ()
    assert fields.mapping({}, "map", fields.string) == {}
    for read in (fields.items, fields.mapping):
        with pytest.raises(InputError):
            read({"x": None}, "x", fields.string)


def test_a_bound_is_kept() -> None:
    assert fields.integer({"n": 1}, "n", least=1) == 1
    with pytest.raises(InputError, match="at least 1"):
        fields.integer({"n": 0}, "n", least=1)


@pytest.mark.parametrize("value", [[], "text", 1, None, True])
def test_a_document_is_an_object(value: object) -> None:
    with pytest.raises(InputError, match="is not an object"):
        fields.document(value, "Manifest")


def test_a_document_is_of_the_kind_and_version_that_was_asked_for() -> None:
    whole = {"apiVersion": API_VERSION, "kind": "Manifest"}
    assert fields.document(whole, "Manifest") == whole
    for wrong in ({**whole, "kind": "Report"}, {**whole, "apiVersion": "ringtide/v2"}, {}):
        with pytest.raises(InputError, match="not a Manifest of ringtide/v1"):
            fields.document(wrong, "Manifest")
