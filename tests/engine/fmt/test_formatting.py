"""Laws of the layout: nothing is lost, nothing changes its meaning, and twice is once."""

import json
import random
from collections import Counter
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.fleet_files import fleet_files
from ringtide_engine.load.documents import Parsed, parse_yaml
from ringtide_engine.load.field_order import field_order
from ringtide_engine.load.formatting import formatted
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.shipped import template

KINDS = {path: where.kind for path in template() if isinstance(where := spot(path), Spot)}
DOCUMENTS = {path: template()[path] for path in KINDS}
EU = "cohorts/eu.yaml"


def laid_out(path: str, content: bytes, kind: str) -> bytes:
    after = formatted(path, content, kind)
    assert isinstance(after, bytes)
    return after


def data_of(content: bytes) -> str:
    parsed = parse_yaml("a.yaml", content)
    assert isinstance(parsed, Parsed)
    return json.dumps(parsed.data, sort_keys=True)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_file_of_the_example_is_laid_out_already(path: str) -> None:
    assert laid_out(path, DOCUMENTS[path], KINDS[path]).decode() == DOCUMENTS[path].decode()


def test_fields_are_ordered_indented_and_separated_and_every_comment_goes_with_its_field() -> None:
    assert laid_out(EU, BEFORE.encode(), "Cohort").decode() == AFTER


BEFORE = """\


# Europe and what belongs to it.
kind:   Cohort
apiVersion: ringtide/v1   # the only one
selector:
      matchExpressions:
      # not the laboratory
      -   {key: site, operator: NotIn,   values: [laboratory]}


      - values:
          - eu
          - 'ch'
        # what counts
        key: region    # set at enrolment
        operator: In
# Named after the continent.
name: "eu"
# the end
"""
AFTER = """\
# yaml-language-server: $schema=../.ringtide/schemas/cohort.json
# Europe and what belongs to it.
apiVersion: ringtide/v1   # the only one
kind:   Cohort
# Named after the continent.
name: "eu"
selector:
  matchExpressions:
    # not the laboratory
    - {key: site, operator: NotIn,   values: [laboratory]}

    # what counts
    - key: region    # set at enrolment
      operator: In
      values:
        - eu
        - 'ch'
# the end
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: Cohort\nname: |2\n    eu\napiVersion: ringtide/v1\n", id="text with its own indentation"),
        pytest.param(
            "kind: Cohort\nname: |+\n  eu\n\n\napiVersion: ringtide/v1\n", id="text with blank lines at its end"
        ),
        pytest.param("? kind\n: Cohort\nname: eu\n", id="explicit keys"),
        pytest.param("kind: Cohort\nselector:\n  matchExpressions:\n  -\n    key: a\nname: eu\n", id="a dash alone"),
        pytest.param("kind: Cohort\nname: eu\n...\n", id="an end mark"),
        pytest.param("{kind: Cohort, name: eu}\n", id="JSON"),
        pytest.param("--- {kind: Cohort, name: eu}\n", id="content beside the mark"),
        pytest.param("kind: Cohort\nname: eu\nname2: a\n  b\n", id="text over lines"),
        pytest.param(
            "kind: Cohort\nselector: {\n  a: b, # c\n# d\n}\nname: >\n  # no comment\n  x\n# one\n", id="hashes"
        ),
        pytest.param("kind: Cohort\r\nname: eu\r\n", id="CRLF"),
        pytest.param("\ufeffkind: Cohort\nname: eu\n", id="a byte order mark"),
        pytest.param("kind: Cohort\nname: a\nselector:\n- - a\n  -  - b\n     - c\n", id="lists in lists"),
    ],
)
def test_what_is_written_in_unusual_ways_keeps_its_meaning_and_settles(text: str) -> None:
    before = text.encode()
    once = laid_out(EU, before, "Cohort")
    assert data_of(once) == data_of(before)
    assert laid_out(EU, once, "Cohort") == once
    assert Counter(text.removeprefix("\ufeff").split()) <= Counter(once.decode().removeprefix("\ufeff").split())


def test_what_cannot_be_read_gives_its_finding() -> None:
    found = formatted(EU, b"name: [eu\n", "Cohort")
    assert isinstance(found, tuple)
    assert [each.rule for each in found] == ["RT-YAML-003"]


def shuffled(data: Any, chance: random.Random) -> Any:
    if isinstance(data, list):
        return [shuffled(each, chance) for each in data]
    if not isinstance(data, dict):
        return data
    keys = list(data)
    chance.shuffle(keys)
    return {key: shuffled(data[key], chance) for key in keys}


@settings(max_examples=120)
@given(path=st.sampled_from(sorted(DOCUMENTS)), seed=st.integers(0, 10**9))
def test_any_order_and_any_indentation_comes_back_with_every_comment(path: str, seed: int) -> None:
    chance = random.Random(seed)
    parsed = parse_yaml(path, DOCUMENTS[path])
    assert isinstance(parsed, Parsed)
    text = yaml.safe_dump(
        shuffled(parsed.data, chance),
        sort_keys=False,
        indent=chance.choice((2, 3, 4, 8)),
        width=10**6,
        default_flow_style=chance.choice((False, None)),
    )
    comments: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        while chance.random() < 0.2:
            comments.append(f"# remark {len(comments)}")
            lines.append(" " * chance.randrange(9) + comments[-1] + "\n" * chance.randrange(3))
        lines.append(line)
    before = "\n".join(lines).encode()
    after = laid_out(path, before, KINDS[path])
    assert data_of(after) == data_of(before)
    assert sorted(line.strip() for line in after.decode().splitlines() if "# remark" in line) == sorted(comments)
    assert laid_out(path, after, KINDS[path]) == after
    if text.startswith("{"):
        return  # one flow mapping: as it was written
    again = parse_yaml(path, after)
    assert isinstance(again, Parsed)
    order = field_order(KINDS[path], "")
    assert list(again.data) == [field for field in order if field in again.data]


FILES = {path: content for path, content in fleet_files(3, rollout="1.1.0").items() if not path.startswith("trust")}
PIECES = st.sampled_from(
    [": ", "\n", "  ", "- ", "[", "]", "{", "}", "null", "'", '"', "|", "|2", ">", "|+", "---\n", "#", " # c\n", "? ", "\r\n",
     "\t", "%", "no", "kind: Cohort", "\n\n\n", "\n# c\n", "...\n", "\n-\n", "\n - x"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_mutated_document_keeps_its_meaning_or_gives_findings(path: str, data: st.DataObject) -> None:
    where, text = spot(path), FILES[path].decode()
    assert isinstance(where, Spot)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(PIECES) + text[data.draw(st.integers(start, min(len(text), start + 12))) :]
    after = formatted(path, text.encode(), where.kind)
    if isinstance(after, tuple):
        assert after
        return
    assert data_of(after) == data_of(text.encode())
    assert formatted(path, after, where.kind) == after


@settings(max_examples=200)
@given(st.binary(max_size=120))
def test_any_bytes_give_a_document_or_findings(content: bytes) -> None:
    after = formatted(EU, content, "Cohort")
    assert after if isinstance(after, tuple) else data_of(after) == data_of(content)
