"""YAML documents: every value has its place, and what hides its meaning is refused."""

import pytest

from ringtide_engine.load.documents import Parsed, parse_yaml


def parsed(text: str) -> Parsed:
    result = parse_yaml("a.yaml", text.encode())
    assert isinstance(result, Parsed), result
    return result


def refused(content: bytes) -> list[tuple[str, str]]:
    result = parse_yaml("a.yaml", content)
    assert isinstance(result, tuple), result
    return [(each.rule, str(each.place)) for each in result]


def test_every_key_and_value_has_its_place() -> None:
    document = parsed("name: eu\nrings:\n  - {share: 5%}\n")
    assert document.data == {"name": "eu", "rings": [{"share": "5%"}]}
    assert document.marks == {
        "": (1, 1),
        "/name#": (1, 1),
        "/name": (1, 7),
        "/rings#": (2, 1),
        "/rings": (3, 3),
        "/rings/0": (3, 5),
        "/rings/0/share#": (3, 6),
        "/rings/0/share": (3, 13),
    }


def test_columns_count_characters_and_keys_are_escaped() -> None:
    document = parsed("ärger: {a/b~c: 1}\n")
    assert document.marks["/ärger/a~1b~0c"] == (1, 16)


def test_quoted_numbers_are_text_and_unquoted_ones_keep_their_spelling() -> None:
    document = parsed('a: "1.10"\nb: 1.10\nc: |\n  12\n')
    assert document.data == {"a": "1.10", "b": 1.1, "c": "12\n"}
    assert document.unquoted == {"/b": "1.10"}


@pytest.mark.parametrize(
    ("content", "rule", "place"),
    [
        (b"", "RT-YAML-004", "a.yaml:1:1"),
        (b"# only a comment\n", "RT-YAML-004", "a.yaml:1:1"),
        (b"a: 1\n---\nb: 2\n", "RT-YAML-004", "a.yaml:2:1"),
        (b"%YAML 1.1\n---\na: 1\n", "RT-YAML-007", "a.yaml:1:1"),
        (b"a: !python/object:os.system x\n", "RT-YAML-007", "a.yaml:1:4"),
        (b"a: ! x\n", "RT-YAML-007", "a.yaml:1:4"),
        (b"a: &x [1]\nb: [*x, *x]\n", "RT-YAML-006", "a.yaml:1:4"),
        (b"a: *x\n", "RT-YAML-006", "a.yaml:1:4"),
        (b"? [a]\n: b\n", "RT-YAML-010", "a.yaml:1:3"),
        (b"true: b\n", "RT-YAML-010", "a.yaml:1:1"),
        (b"a: b: c\n", "RT-YAML-003", "a.yaml:1:5"),
        (b"a: 'b\n", "RT-YAML-003", "a.yaml:1:4"),
        (b"\ta: b\n", "RT-YAML-003", "a.yaml:1:1"),
        (b"a: \x00\n", "RT-YAML-012", "a.yaml:1:4"),
        (b"a: \xc3\n", "RT-YAML-001", "a.yaml:1:4"),
        (b'a: "\\ud800"\n', "RT-YAML-003", "a.yaml:1:7"),
        (b"[" * 100_000, "RT-YAML-009", "a.yaml:1:33"),
        (b"- " * 100_000, "RT-YAML-009", "a.yaml:1:65"),
    ],
)
def test_broken_yaml_is_refused_at_its_place(content: bytes, rule: str, place: str) -> None:
    assert refused(content) == [(rule, place)]


def test_several_duplicates_are_found_at_once() -> None:
    assert refused(b"a: 1\na: 2\nb: {c: 1, c: 2}\n") == [("RT-YAML-005", "a.yaml:2:1"), ("RT-YAML-005", "a.yaml:3:11")]


def test_a_quoted_merge_key_is_a_key_like_any_other() -> None:
    assert parsed('"<<": 1\n').data == {"<<": 1}
