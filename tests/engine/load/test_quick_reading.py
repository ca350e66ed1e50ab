"""Quick ways of reading give the state and the findings of the slow ones, whatever the lines say."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.fleet_files import fleet_files
from ringtide_engine.load import device_lines as lines
from ringtide_engine.load import schemas
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.schemas import SCHEMA_FILES, fits, validator
from ringtide_engine.validate.devices import devices

FILES = fleet_files(60)
LINES = FILES["devices/all.jsonl"].split(b"\n")[:5]
PEM = json.loads(LINES[0])["publicKey"]

TEXTS = st.sampled_from(
    [
        "edge-s",
        "edge-s\n",
        "Edge",
        "",
        "x" * 64,
        "é",
        "\ud800",
        "ringtide/v1",
        "Device",
        "held",
        "1.0.0",
        PEM,
        PEM + "x",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, -1, 2**53, 1.0, 1.5]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("apiVersion", "kind", "id", "publicKey", "hardwareClass", "labels", "state", "pins", "other")
PINS = st.lists(st.fixed_dictionaries({"model": TEXTS, "release": TEXTS}), max_size=2)
EDITS = st.lists(
    st.tuples(st.sampled_from(FIELDS), VALUES | PINS | st.dictionaries(TEXTS, TEXTS, max_size=2)), max_size=3
)


def _edited(line: bytes, edits: list[tuple[str, Any]], cut: int) -> bytes:
    members = [*json.loads(line).items(), *edits]  # a field may stand twice, which JSON parsers differ about
    text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members)
    return f"{{{text}}}".encode()[: None if cut == 0 else -cut]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LINES), EDITS, st.sampled_from([0, 0, 0, 0, 1, 9])), min_size=1, max_size=4))
def test_a_line_says_the_same_on_the_quick_way_and_on_the_slow_one(
    written: list[tuple[bytes, list[tuple[str, Any]], int]],
) -> None:
    content = b"\n".join(_edited(*each) for each in written)
    quick = lines.device_lines("devices/all.jsonl", content)
    with patch.object(lines, "_plainly", lambda *_: None), patch.object(schemas, "fits", lambda *_: False):
        slow = lines.device_lines("devices/all.jsonl", content)
    assert _said(quick) == _said(slow)


def _said(read: Any) -> Any:
    found, findings = read
    return [(each.id, each.pointer, repr(each.labels), each.pins, each.state) for each in found], findings


@pytest.mark.parametrize(
    "line", [LINES[0], b'{"id": "edge-s-0001"}', b"[]", b'{"id": 1e400}', b"\xff", b'{"a":1,"a":1}']
)
def test_the_quick_way_only_ever_says_yes(line: bytes) -> None:
    read = lines._plainly("devices/all.jsonl", 1, line)
    assert (read is not None) == (line == LINES[0])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SCHEMA_FILES)), st.dictionaries(st.sampled_from(FIELDS) | TEXTS, VALUES, max_size=6))
def test_what_fits_has_no_mistakes(kind: str, data: dict[str, Any]) -> None:
    whole = {"apiVersion": "ringtide/v1", "kind": kind, **data}
    if fits(kind, whole):
        assert list(validator(kind).iter_errors(whole)) == []


@settings(max_examples=100, deadline=None)
@given(EDITS, st.permutations(LINES))
def test_what_was_read_before_changes_no_answer(edits: list[tuple[str, Any]], order: list[bytes]) -> None:
    changed = {**FILES, "devices/all.jsonl": b"\n".join([_edited(order[0], edits, 0), *order[1:], *order[:1]])}
    before = load_desired(FILES)
    alone, after = load_desired(changed), load_desired(changed, before)
    assert after.findings == alone.findings
    assert (after.state is None) == (alone.state is None)
    assert _said((load_desired(FILES, after).state.devices.values(), ())) == _said((before.state.devices.values(), ()))


def test_what_was_read_before_is_not_read_again() -> None:
    before = load_desired(FILES)
    moved = b"\n".join([b"", *FILES["devices/all.jsonl"].split(b"\n")])
    with patch.object(lines, "_plainly", side_effect=AssertionError), patch.object(schemas, "fits", return_value=None):
        after = load_desired({**FILES, "devices/all.jsonl": moved}, before)
    assert after.state is not None
    assert list(devices(after.state)) == []
    assert [each.pointer for each in after.state.devices.values()][:2] == ["/1", "/2"]
    assert all(after.state.documents[path] is before.state.documents[path] for path in before.state.documents)
