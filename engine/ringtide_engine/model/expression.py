"""What a CEL expression reads: the fields behind the variables that it names, found without evaluating it.

A field that the expression cannot be seen to narrow down counts as read whole, so what is left out is never missed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<string>[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n]*`)"
    r"|(?P<number>[0-9][0-9A-Za-z_.]*)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_OPENS = frozenset({"", "(", "[", "{", ",", "?", ":", "&", "|", "!"})
"""What stands before an operand that a comparison takes whole."""

_MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Any of the values in a list or a mapping."""

    of_macro: bool
    """Whether a macro goes through them all, which are keys where they are in a mapping; else an index chooses one."""


ELEMENT = Element(of_macro=True)
"""What the variable of a macro stands for."""

CHOSEN = Element(of_macro=False)
"""What an index chooses that is not written out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A field that an expression reads."""

    root: str
    """Variable."""
    steps: tuple["str | int | Read | Element", ...]
    """The way from the variable to the field; empty: the variable itself."""
    asks: Literal["value", "keys", "presence"] = "value"
    """What is asked of the field: its value, the keys or the length of it, or whether it is there and not null."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Alias:
    """A variable of a macro, between two tokens."""

    name: str
    begin: int
    end: int
    stands_for: Read


def reads_of(expression: str, variables: Sequence[str]) -> tuple[Read, ...]:
    """Return what an expression reads of `variables`, in the order of the text.

    Fields of the variables of macros are among them, with `ELEMENT` for the step into the list.
    """
    tokens = [
        _Token(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(expression) if match.lastgroup != "space"
    ]
    aliases: list[_Alias] = []
    found: list[Read] = []
    for position, token in enumerate(tokens):
        if token.kind != "name" or _text(tokens, position - 1) == ".":
            continue
        inside = [each for each in aliases if each.name == token.text and each.begin <= position < each.end]
        if inside:
            start = inside[-1].stands_for
        elif token.text in variables:
            start = Read(root=token.text, steps=())
        else:
            continue
        read, after = _chain(tokens, position + 1, start, variables)
        found.append(replace(read, asks=_asks(tokens, position, after)))
        alias = _alias(tokens, after, read)
        if alias is not None:
            aliases.append(alias)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that is asked of a value itself, not of a field within it."""

    text: str
    """What."""


KEYS = Mark(text="keys")
"""Which keys the value has."""

PRESENT = Mark(text="present")
"""Whether it is null."""

Wanted = Mapping["str | Read | Mark", "Wanted | None"]
"""Which fields are wanted of a value; None: all of it."""


def wanted(reads: Sequence[Read], root: str) -> "Wanted | None":
    """Return which fields of one variable are read; empty where nothing is, None where all of it is."""
    tree: dict[str | Read | Mark, Any] = {}
    for read in reads:
        if read.root != root or ELEMENT in read.steps:
            continue  # elements of lists come with their list, and the keys of mappings with theirs
        path: list[str | Read] = []
        for step in read.steps:
            if not isinstance(step, str | Read):
                break
            path.append(step)
        asks = read.asks if len(path) == len(read.steps) else "value"
        if not path and asks == "value":
            return None
        _plant(tree, path, asks)
    return tree


def narrow(value: object, tree: "Wanted | None", variables: Mapping[str, object]) -> object:
    """Return a value with only the wanted fields.

    Args:
        value: Plain data.
        tree: From `wanted`.
        variables: What keys that are themselves read are looked up in.
    """
    if tree is None or not isinstance(value, Mapping):
        return value
    kept: dict[str, object] = dict.fromkeys(value) if KEYS in tree else {}
    seen: set[str] = set()
    for step, below in tree.items():
        if isinstance(step, Mark):
            continue
        key = step if isinstance(step, str) else _look_up(step, variables)
        if isinstance(key, str) and key in value:
            kept[key] = value[key] if key in seen else narrow(value[key], below, variables)
            seen.add(key)
    return kept


def _plant(tree: dict[str | Read | Mark, Any], path: Sequence[str | Read], asks: str) -> None:
    below: dict[str | Read | Mark, Any] = tree
    for position, step in enumerate(path):
        if position == len(path) - 1 and asks == "value":
            below[step] = None
            return
        inner = below.setdefault(step, {})
        if inner is None:
            return
        below = inner
    below[KEYS if asks == "keys" else PRESENT] = None


def _look_up(read: Read, variables: Mapping[str, object]) -> object:
    value = variables.get(read.root)
    for step in read.steps:
        key = _look_up(step, variables) if isinstance(step, Read) else step
        value = value.get(key) if isinstance(value, Mapping) and isinstance(key, str) else None
    return value


def _asks(tokens: Sequence[_Token], begin: int, after: int) -> Literal["value", "keys", "presence"]:
    """Tell what the text around a chain, from its first token to the one after it, asks of it."""
    before, called = _text(tokens, begin - 1), _text(tokens, begin - 2) if _text(tokens, begin - 1) == "(" else ""
    follows = [_text(tokens, after + each) for each in range(3)]
    if before == "in" or (called == "size" and follows[0] == ")"):
        return "keys"
    if follows[0] == "." and follows[2] == "(" and follows[1] in (*_MACROS, "size"):
        return "keys"
    if called == "has" and follows[0] == ")":
        return "presence"
    if before in _OPENS and follows in (["=", "=", "null"], ["!", "=", "null"]):
        return "presence"
    return "value"


def _text(tokens: Sequence[_Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""


def _chain(tokens: Sequence[_Token], position: int, read: Read, variables: Sequence[str]) -> tuple[Read, int]:
    """Follow `.name` and `[...]` from a position; a name before `(` is a function, not a field."""
    steps: list[str | int | Read | Element] = list(read.steps)
    while True:
        if _text(tokens, position) == "." and position + 1 < len(tokens) and tokens[position + 1].kind == "name":
            if _text(tokens, position + 2) == "(":
                break
            steps.append(tokens[position + 1].text.strip("`"))
            position += 2
        elif _text(tokens, position) == "[":
            end = _closing(tokens, position)
            steps.append(_index(tokens[position + 1 : end], variables))
            position = end + 1
        else:
            break
    return Read(root=read.root, steps=tuple(steps)), position


def _index(inner: Sequence[_Token], variables: Sequence[str]) -> "str | int | Read | Element":
    if len(inner) == 1 and inner[0].kind == "number" and inner[0].text.isdigit():
        return int(inner[0].text)
    if len(inner) == 1 and inner[0].kind == "string":
        plain = re.fullmatch(r"([\"'])([^\"'\\]*)\1", inner[0].text)
        return plain[2] if plain else CHOSEN
    if inner and inner[0].kind == "name" and inner[0].text in variables:
        read, end = _chain(inner, 1, Read(root=inner[0].text, steps=()), variables)
        if end == len(inner) and read.steps and all(isinstance(step, str | Read) for step in read.steps):
            return read
    return CHOSEN


def _alias(tokens: Sequence[_Token], position: int, read: Read) -> _Alias | None:
    """Return the variable of the macro that is called at a position, None where there is none."""
    if _text(tokens, position) != "." or _text(tokens, position + 1) not in _MACROS:
        return None
    if _text(tokens, position + 2) != "(" or _text(tokens, position + 4) != ",":
        return None
    begin, end = position + 4, _closing(tokens, position + 2)
    element = Read(root=read.root, steps=(*read.steps, ELEMENT))
    return _Alias(_text(tokens, position + 3), begin, end, element)


def _closing(tokens: Sequence[_Token], position: int) -> int:
    depth = 0
    for at in _positions(tokens, position):
        depth += _text(tokens, at) in ("(", "[", "{")
        depth -= _text(tokens, at) in (")", "]", "}")
        if not depth:
            return at
    return len(tokens)


def _positions(tokens: Sequence[_Token], begin: int) -> Iterator[int]:
    return (at for at in range(begin, len(tokens)) if tokens[at].kind == "other")
