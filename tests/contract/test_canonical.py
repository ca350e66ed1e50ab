"""Canonical JSON: one spelling out, strictly checked spellings in; the `rfc8785` library is the second opinion."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.canonical import MAX_DEPTH, MAX_INTEGER, Json, decode, encode
from ringtide_contract.errors import InputError
from vectors.loader import Vector, bad, good

LIMIT = 65536

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("vector", good("canonical"))
def test_every_spelling_of_a_value_is_written_in_one(vector: Vector) -> None:
    for spelling in (vector.content, *(text.encode() for text in vector.facts["spellings"])):
        assert encode(decode(spelling, limit=LIMIT)) == vector.content


@pytest.mark.parametrize("vector", good("canonical"))
def test_the_rfc8785_library_writes_the_golden_bytes(vector: Vector) -> None:
    assert rfc8785.dumps(json.loads(vector.content)) == vector.content


@pytest.mark.parametrize("vector", bad("canonical"))
def test_bad_json_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        decode(vector.content, limit=LIMIT)
    assert vector.error is not None
    assert vector.error in str(caught.value)


@given(JSON)
def test_encode_writes_what_the_rfc8785_library_writes(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(JSON)
def test_decode_is_the_inverse_of_encode(value: Any) -> None:
    assert decode(encode(value), limit=LIMIT) == value


@given(st.binary(max_size=60) | st.text(alphabet='[]{}":,0123456789.eE+-truefalsn\\ud8', max_size=60).map(str.encode))
def test_decode_answers_or_refuses_and_what_it_answers_can_be_written(content: bytes) -> None:
    try:
        value = decode(content, limit=LIMIT)
    except InputError:
        return
    assert decode(encode(value), limit=LIMIT) == value


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, b"bytes", {"a": {3}}, [object()]],
    ids=lambda value: f"{value!r}".split(" at 0x")[0],
)
def test_encode_refuses_what_json_readers_disagree_about(value: Json) -> None:
    with pytest.raises(InputError):
        encode(value)


def test_encode_refuses_nesting_that_decode_would_refuse() -> None:
    value: Json = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert decode(encode([value]), limit=LIMIT) == [value]
    with pytest.raises(InputError, match="nested deeper"):
        encode([[value]])


def test_size_is_checked_before_anything_is_parsed() -> None:
    with pytest.raises(InputError, match="11 bytes where at most 10 are allowed"):
        decode(b"\xff" * 11, limit=10)
    assert decode(b"1234567890", limit=10) == 1234567890
