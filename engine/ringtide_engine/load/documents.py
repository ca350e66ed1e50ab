"""One YAML document with the place of every key and value; what a reviewer cannot see at a glance is refused."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ringtide_contract.canonical import MAX_DEPTH
from ringtide_contract.errors import InputError
from ringtide_engine.load.scalars import plain_scalar
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import finding

MAX_YAML_BYTES = 1_000_000
"""More than a person reviews in one file."""

_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
"""Control characters, and signs without a picture that break lines, turn text round or hide; joiners shape scripts."""
_CONFLICT = re.compile(r"^(<{7} |>{7} )", re.MULTILINE)

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTENT = (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A document as it stands in the file."""

    data: Any
    """Plain values: None, bool, int, float, str, list, dict with text keys."""
    marks: Mapping[str, tuple[int, int]]
    """JSON pointer of a value, or of a key with `#` appended, to line and column, counted from 1."""
    unquoted: Mapping[str, str]
    """JSON pointer of a number, boolean or null to the text that the author wrote."""


def parse_yaml(path: str, content: bytes) -> Parsed | tuple[Finding, ...]:
    """Parse the one document of a file.

    Args:
        path: Path for findings.
        content: The file.

    Returns:
        The document, or why it cannot be read: never empty.
    """
    start = Place(path=path)
    if len(content) > MAX_YAML_BYTES:
        said = f"{len(content)} bytes where at most {MAX_YAML_BYTES} are read"
        return (finding("RT-YAML-002", start, said),)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        place = Place(path=path, line=line, column=column)
        said = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            said = "the file is UTF-16"
        return (finding("RT-YAML-001", place, said),)
    unseen = _unseen(text)
    if unseen is not None:
        line, column = text.count("\n", 0, unseen) + 1, unseen - text.rfind("\n", 0, unseen)
        said = f"the sign U+{ord(text[unseen]):04X} is not seen by a reader"
        return (finding("RT-YAML-012", Place(path=path, line=line, column=column), said),)
    builder = _Builder(path=path)
    try:
        for event in _events(text):
            if not builder.take(event):
                break
    except yaml.YAMLError as error:
        builder.findings.append(_syntax(path, text, error))
    if builder.documents == 0 and not builder.findings:
        builder.findings.append(finding("RT-YAML-004", start, "the file is empty", "Write the document, or remove it."))
    if builder.findings:
        return tuple(builder.findings)
    return Parsed(data=builder.root, marks=builder.marks, unquoted=builder.unquoted)


def _unseen(text: str) -> int | None:
    found = _UNSEEN.search(text, 1 if text.startswith("\ufeff") else 0)
    return found.start() if found else None


def escape(key: str) -> str:
    """Return a key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _events(text: str) -> Iterator[Any]:
    # Events, not nodes: PyYAML composes nodes recursively, which deep nesting turns into a crash of the interpreter.
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


_WORDS: Mapping[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a colon stands where no field can begin",
        "Indent the fields of one mapping alike; quote a text that holds a colon.",
    ),
    "found unexpected end of stream": ("the quote that begins here is never closed", "Close the quote."),
    "could not find expected ':'": ("a line is no field: it lacks the colon", "Write `name: value`."),
}
"""What the parser says of the mistakes that people make most, to what they can act upon."""


def _syntax(path: str, text: str, error: yaml.YAMLError) -> Finding:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable characters"
    context = getattr(error, "context", None)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if problem == "found unexpected end of stream":
        mark = getattr(error, "context_mark", None) or mark
    place = Place(path=path, line=mark.line + 1, column=mark.column + 1) if mark else Place(path=path)
    conflict = _CONFLICT.search(text)
    if conflict is not None:
        place = Place(path=path, line=text.count("\n", 0, conflict.start()) + 1)
        return finding("RT-YAML-003", place, "a merge conflict is left here", "Resolve the conflict.")
    sign = text[mark.index : mark.index + 1] if mark else ""
    if "cannot start any token" in problem or "tab character" in problem:
        if sign == "\t":
            return finding("RT-YAML-003", place, "a tab stands where blanks indent", "Indent with blanks.")
        return finding("RT-YAML-003", place, f"no unquoted text begins with {sign}", "Quote the text.")
    said, fix = _WORDS.get(problem, (f"{problem} {context}" if context else str(problem), None))
    return finding("RT-YAML-003", place, said, fix)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A mapping or sequence that has not ended."""

    pointer: str
    value: dict[str, Any] | list[Any]
    key: str | None = None
    """Key that waits for its value, in a mapping."""


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Builds values from parser events, without recursion and without replaying anything."""

    path: str
    root: Any = None
    documents: int = 0
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)
    unquoted: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def take(self, event: Any) -> bool:
        """Take the next event; False where reading on makes no sense."""
        if isinstance(event, _CONTENT):
            return self._open(event)
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    return self._refuse("RT-YAML-004", event, "a second document begins here")
                if event.version or event.tags:
                    return self._refuse("RT-YAML-007", event, "a directive", "Remove the directive.")
            case yaml.AliasEvent():
                return self._refuse("RT-YAML-006", event, f"the alias *{event.anchor}")
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self.stack.pop()
        return True

    def _open(self, event: Any) -> bool:
        if event.anchor is not None:
            return self._refuse("RT-YAML-006", event, f"the anchor &{event.anchor}")
        if event.tag is not None:
            return self._refuse("RT-YAML-007", event, f"the tag {event.tag}")
        inside = self.stack[-1] if self.stack else None
        if inside is not None and isinstance(inside.value, dict) and inside.key is None:
            return self._key(inside, event)
        if isinstance(event, yaml.ScalarEvent):
            self._place(event, self._scalar(event))
            return True
        if len(self.stack) >= MAX_DEPTH:
            return self._refuse("RT-YAML-009", event, f"deeper than {MAX_DEPTH} levels")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_Open(pointer=self._place(event, value), value=value))
        return True

    def _key(self, inside: _Open, event: Any) -> bool:
        if not isinstance(event, yaml.ScalarEvent):
            return self._refuse("RT-YAML-010", event, "a list or mapping stands as a key", "Use text as the key.")
        if event.value == "<<" and not event.style:
            return self._refuse("RT-YAML-008", event, "the merge key <<")
        meaning = self._scalar(event)
        if not isinstance(meaning, str):
            self._refuse("RT-YAML-010", event, f"the key {event.value} is not text", f'Write "{event.value}".')
        inside.key = event.value
        mark = inside.pointer + "/" + escape(event.value) + "#"
        if mark in self.marks:
            first = self.marks[mark][0]
            self._refuse("RT-YAML-005", event, f"the key {event.value!r} stands already in line {first}")
        else:
            self.marks[mark] = _position(event)
        return True

    def _scalar(self, event: Any) -> Any:
        if event.style:  # quoted or block: text, whatever it looks like
            return event.value
        try:
            return plain_scalar(event.value)
        except InputError as error:
            self._refuse("RT-YAML-011", event, str(error))
            return event.value

    def _place(self, event: Any, value: Any) -> str:
        """Put a value where it belongs and return its pointer."""
        pointer = ""
        if not self.stack:
            self.root = value
        else:
            inside = self.stack[-1]
            if isinstance(inside.value, list):
                pointer = f"{inside.pointer}/{len(inside.value)}"
                inside.value.append(value)
            else:
                key = inside.key or ""
                pointer = f"{inside.pointer}/{escape(key)}"
                inside.value.setdefault(key, value)
                inside.key = None
        self.marks.setdefault(pointer, _position(event))
        if isinstance(event, yaml.ScalarEvent) and not isinstance(value, str):
            self.unquoted.setdefault(pointer, event.value)
        return pointer

    def _refuse(self, rule: str, event: Any, message: str, fix: str | None = None) -> bool:
        line, column = _position(event)
        self.findings.append(finding(rule, Place(path=self.path, line=line, column=column), message, fix))
        return False


def _position(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
