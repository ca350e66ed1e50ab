"""One way to lay out a document: order of fields, indentation, blank lines, the line by which editors find its schema.

Works on the text, never on values: what a person wrote is moved, not written anew, so comments, quotes and flow mappings
stay as they are. A document that cannot be laid out without a change of meaning stays untouched.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringtide_engine.load.documents import Parsed, parse_yaml
from ringtide_engine.load.field_order import field_order
from ringtide_engine.load.schemas import SCHEMA_FILES
from ringtide_engine.model.finding import Finding

INDENT = 2
"""Of a mapping within a mapping, and of the dashes of a list below its field."""

SCHEMA_FOLDER = ".ringtide/schemas"
"""Where `ringtide init` puts the schemas."""

_MODELINE = "# yaml-language-server: $schema="
_DASHES = re.compile(r"(- +)*-?")
_BLOCK_TEXT = re.compile(r"(^|[\s:-])[|>][-+0-9]*\s*(#.*)?$")


@dataclass(slots=True, kw_only=True)
class _Element:
    """A field of a block mapping, or an entry of a block list."""

    pointer: str
    """JSON pointer of its value."""
    line: int
    """Line it begins on, counted from 0."""
    column: int
    """Column of its key, or of its dash."""
    key: str | None
    """The key; None of a list's entry."""
    above: list[str] = field(default_factory=list)
    """Comments and blank lines that belong to it."""
    head: str = ""
    """Rest of its first line; empty where a child begins on that line."""
    tail: list[str] = field(default_factory=list)
    """Further lines of its own value, and how far they moved is how far they move."""
    children: list["_Element"] = field(default_factory=list)
    """Elements within it."""


def formatted(path: str, content: bytes, kind: str) -> bytes | tuple[Finding, ...]:
    """Return the content of a document as it should stand in its file.

    Args:
        path: Path from the repository's root.
        content: The file.
        kind: Kind of document that belongs there.

    Returns:
        The content, the same where it cannot be laid out otherwise without a change of meaning; or why the document cannot
        be read.
    """
    before = parse_yaml(path, content)
    if isinstance(before, tuple):
        return before
    text = content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    laid_out = _laid_out(text, before, kind)
    if laid_out is None or not _same(path, text, laid_out, before):
        return content
    return _with_modeline(path, laid_out, kind).encode("utf-8")


def _laid_out(text: str, parsed: Parsed, kind: str) -> str | None:
    """Return the text laid out; None where a line of it is not understood."""
    lines = text.split("\n")
    elements = _elements(lines, parsed)
    if not elements:
        return None
    preamble = [line.strip() for line in lines[: elements[0].line]]
    trailing = _place_lines(lines, elements)
    if trailing is None or any(line and not line.startswith(("#", "---")) for line in preamble):
        return None
    written = _write(_tree(elements), 0, kind, "")
    return "\n".join(_without_gaps([*preamble, *written, *trailing])) + "\n"


def _elements(lines: list[str], parsed: Parsed) -> list[_Element]:
    """Return every element that is written in block style, in the order of the file."""
    found: list[_Element] = []

    def visit(value: Any, pointer: str) -> None:
        line, column = parsed.marks[pointer]
        if not isinstance(value, dict | list) or not value or lines[line - 1][column - 1] in "{[":
            return
        if isinstance(value, dict):
            for key, each in value.items():
                below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                row, start = parsed.marks[f"{below}#"]
                found.append(_Element(pointer=below, line=row - 1, column=start - 1, key=key))
                visit(each, below)
            return
        for number, each in enumerate(value):
            row, start = parsed.marks[f"{pointer}/{number}"]
            found.append(_Element(pointer=f"{pointer}/{number}", line=row - 1, column=start - 1, key=None))
            visit(each, f"{pointer}/{number}")

    visit(parsed.data, "")
    return found


def _place_lines(lines: list[str], elements: list[_Element]) -> list[str] | None:
    """Give every element its lines, and return those after the last one; None where a line is not understood."""
    above: list[str] = []
    for each, later in zip(elements, [*elements[1:], None], strict=True):
        ahead = lines[each.line][: each.column].strip()
        if not _DASHES.fullmatch(ahead) or (later is not None and later.line < each.line):
            return None
        if each.key is None and not ahead:
            return None  # the dash stands on a line of its own
        if later is not None and later.line == each.line:
            continue
        each.head = lines[each.line][each.column :].rstrip()
        end = later.line if later is not None else len(lines)
        margin = each.column if each.key is not None else lines[each.line].rfind("-", 0, each.column)
        each.tail, above = _divide(lines[each.line + 1 : end], margin, block=_BLOCK_TEXT.search(each.head) is not None)
        if later is not None:
            later.above = above
    return above


def _divide(lines: list[str], margin: int, *, block: bool) -> tuple[list[str], list[str]]:
    """Part the lines after an element's first: those of its value, and comments and blanks that belong to what follows."""
    start = len(lines)
    for line in reversed(lines):
        bare = line.strip()
        if bare and (not bare.startswith("#") or (block and _indent(line) > margin)):
            break
        start -= 1
    return lines[:start], [line.strip() for line in lines[start:]]


def _tree(elements: list[_Element]) -> list[_Element]:
    """Put every element into the one around it, and return the outermost ones."""
    by_pointer = {each.pointer: each for each in elements}
    top: list[_Element] = []
    for each in elements:
        around = by_pointer.get(each.pointer.rpartition("/")[0])
        (top if around is None else around.children).append(each)
    return top


def _write(elements: list[_Element], indent: int, kind: str, pointer: str) -> Iterator[str]:
    """Yield the lines of the elements of one mapping or list."""
    blanks = " " * indent
    for each in _ordered(elements, kind, pointer):
        yield from (f"{blanks}{line}" for line in each.above)
        if each.key is not None:
            yield blanks + each.head
            yield from _shifted(each.tail, indent - each.column)
            yield from _write(each.children, indent + INDENT, kind, each.pointer)
        elif not each.children:
            yield f"{blanks}- {each.head}".rstrip()
            yield from _shifted(each.tail, indent + INDENT - each.column)
        else:
            within = list(_write(each.children, indent + INDENT, kind, each.pointer))
            # Comments above the first field cannot stand behind the dash.
            first = next(number for number, line in enumerate(within) if not _is_comment(line))
            yield from (blanks + line.strip() for line in within[:first])
            yield f"{blanks}- {within[first].lstrip()}"
            yield from within[first + 1 :]


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _shifted(lines: list[str], by: int) -> Iterator[str]:
    for line in lines:
        yield f"{' ' * max(_indent(line) + by, 0)}{line.lstrip(' ')}" if line.strip() else ""


def _ordered(elements: list[_Element], kind: str, pointer: str) -> list[_Element]:
    order = {name: place for place, name in enumerate(field_order(kind, pointer))}
    if not order or not elements or elements[0].key is None:
        return elements
    return sorted(elements, key=lambda each: order.get(each.key or "", len(order)))


def _without_gaps(lines: list[str]) -> Iterator[str]:
    """Yield the lines with one blank line at most between two others, none at the ends."""
    waiting = False
    began = False
    for line in lines:
        if not line.strip():
            waiting = began
            continue
        if waiting:
            yield ""
        waiting, began = False, True
        yield line


def _with_modeline(path: str, text: str, kind: str) -> str:
    if any(line.startswith(_MODELINE) for line in text.split("\n")):
        return text
    return f"{_MODELINE}{'../' * path.count('/')}{SCHEMA_FOLDER}/{SCHEMA_FILES[kind]}\n{text}"


def _same(path: str, text: str, laid_out: str, before: Parsed) -> bool:
    """Tell whether nothing but the order of fields and blank space differs."""
    after = parse_yaml(path, laid_out.encode("utf-8"))
    if isinstance(after, tuple) or _exactly(after.data) != _exactly(before.data):
        return False
    return _words(text) == _words(laid_out)


def _exactly(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _words(text: str) -> Mapping[str, int]:
    """Count the lines without their indentation and dashes: comments count as much as values."""
    bare = (re.sub(r"^[\s-]+", "", line).rstrip() for line in text.split("\n"))
    return Counter(each for each in bare if each)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
