"""Law: whatever stands in the files of a fleet, a check gives findings or a value: no traceback, no endless work.

`tests/engine/load/test_laws.py` has bytes and small mutations of the loader; here are texts that are YAML, values of any
shape behind valid fields, whole trees of files, and the check with its policies behind the loader.
"""

import json
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fakes.fleet_files import fleet_files
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.documents import Parsed, parse_yaml
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.model.finding import Finding
from ringtide_engine.shipped import rule_library
from ringtide_engine.wiring import policies
from ringtide_engine.workflows.check import check

TODAY = date(2026, 11, 23)
RULE = """\
apiVersion: ringtide/v1
kind: Rule
id: ours
title: A rule of our own.
selects: Placement
condition: object.name == params.name
parameters: {type: object, properties: {name: {type: string, default: x}}}
message: "{name} is wrong"
fix: Mend it.
"""
WAIVER = """\
apiVersion: ringtide/v1
kind: Waiver
name: exception
rule: release-has-golden-set
scope: ["models/digits/*.yaml"]
reason: accepted for the trial until spring
owner: safety@example.org
expires: 2999-12-31
"""
FILES = {
    **fleet_files(3, rollout="1.1.0"),
    "policies/ours/rule.yaml": RULE.encode(),
    "waivers/exception.yaml": WAIVER.encode(),
}
DOCUMENTS = {path: yaml.safe_load(content) for path, content in FILES.items() if path.endswith(".yaml")}
CHOSEN = ("release-has-golden-set", "ring-canary-before-rest", "release-licence-allowed")
# What the fleet chooses: reading the whole library again for every example would be most of the work.
LIBRARY = {path: content for path, content in rule_library().items() if path.split("/")[1] in CHOSEN}
# One of a kind: three devices would be drawn three times as often as the fleet.
PATHS = sorted({spot(path).kind: path for path in DOCUMENTS if isinstance(spot(path), Spot)}.values())  # type: ignore[union-attr]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "1.0.0", "5%", "100%", "999999%", "5m", "0s", "3650d", "96MiB", "2026-02-30", "eu", "all", "../x", "{{7*7}}",
         "$(id)", "::error::", "a" * 300, "\u202e", "\U0001f600", "Europe/Atlantis", "24:00", ">=1", "*", "~", "null"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8) | st.just("name"), inner, max_size=4)
    ),
    max_leaves=12,
)


def whole(findings: tuple[Finding, ...], files: dict[str, bytes]) -> None:
    """Every finding stands somewhere, says something, and says what to do."""
    for each in findings:
        assert each.message.strip()
        assert each.fix.strip()
        assert each.place.line >= 1
        assert each.place.column >= 1
        if each.place.path in files:
            text = files[each.place.path].decode("utf-8", "replace")
            assert each.place.line <= len(text.splitlines()) + 1


def checked(files: dict[str, bytes]) -> None:
    outcome = check(files, FILES, TODAY, policies(), LIBRARY)
    whole(outcome.findings, files)
    assert outcome.state is not None or not outcome.passed
    assert json.loads(outcome.policy_verdict)["kind"] == "PolicyVerdict"


def places(data: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value within a document."""
    found = [at] if at else []
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, each in steps:
        found += places(each, (*at, step))
    return found


def changed(data: Any, at: tuple[str | int, ...], value: Any) -> Any:
    """Return a document with another value at a place."""
    if not at:
        return value
    step, *rest = at
    copy = list(data) if isinstance(data, list) else dict(data)
    copy[step] = changed(data[step], tuple(rest), value)
    return copy


@settings(max_examples=150)
@given(st.sampled_from(PATHS), st.data())
def test_any_value_in_any_field_gives_findings_or_a_state(path: str, data: st.DataObject) -> None:
    document = DOCUMENTS[path]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(places(document)))
        document = changed(document, at, data.draw(VALUES))
        if not isinstance(document, dict | list) or not places(document):
            break
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=data.draw(st.booleans()))
    checked({**FILES, path: text.encode("utf-8", "surrogatepass")})


@settings(max_examples=120)
@given(st.sampled_from(PATHS), st.data())
def test_any_field_taken_away_or_added_gives_findings_or_a_state(path: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([each for each in places(DOCUMENTS[path]) if isinstance(each[-1], str)]))
    around = DOCUMENTS[path]
    for step in at[:-1]:
        around = around[step]
    without = {key: value for key, value in around.items() if key != at[-1]}
    with_more = data.draw(st.sampled_from([{}, {"name": "x"}, {str(at[-1]).upper(): 1}, {"<<": {"a": 1}}]))
    document = changed(DOCUMENTS[path], at[:-1], {**without, **with_more})
    checked({**FILES, path: yaml.safe_dump(document, sort_keys=False).encode()})


@settings(max_examples=80)
@given(st.sampled_from(PATHS), VALUES)
def test_any_yaml_text_in_any_file_gives_findings_or_a_state(path: str, value: Any) -> None:
    checked({**FILES, path: yaml.safe_dump(value, sort_keys=False).encode("utf-8", "surrogatepass")})


@settings(max_examples=120)
@given(VALUES)
def test_what_the_reader_takes_is_what_was_written(value: Any) -> None:
    assume("Infinity" not in json.dumps(value) and "NaN" not in json.dumps(value))  # no JSON, and plain text in YAML
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    parsed = parse_yaml("a.yaml", text)
    if isinstance(parsed, Parsed):
        assert parsed.data == value or isinstance(value, float)
    else:
        whole(parsed, {"a.yaml": text})


NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["devices", "rings", "models", "policies", "digits", "rule.yaml", "a.yaml", "a.jsonl", "A.yaml", "con.yaml", "..", ".git",
     "x.yml", "fleet.yaml", "samples"]
)  # fmt: skip


@settings(max_examples=120)
@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=40), max_size=6))
def test_any_tree_of_files_gives_findings_or_a_state(files: dict[str, bytes]) -> None:
    merged = {**FILES, **files}
    checked(merged)
    result = load_desired(files)
    assert result.state is None or "fleet.yaml" in files
    whole(result.findings, files)


@pytest.mark.parametrize("path", PATHS)
def test_every_prefix_of_a_document_gives_findings_or_a_state(path: str) -> None:
    content = FILES[path]
    for end in range(0, len(content), 29):
        result = load_desired({**FILES, path: content[:end]})
        whole(result.findings, {**FILES, path: content[:end]})
        assert (result.state is None) == any(each.severity == "error" for each in result.findings)
