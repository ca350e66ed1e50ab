"""Fields of a document put in and taken out of its text, so that everything else stays as a person wrote it."""

from ringtide_engine.load.documents import Parsed, parse_yaml


def with_field(path: str, content: bytes, field: str, line: str) -> bytes | None:
    """Return a document with a field after its last one.

    Args:
        path: Path, for the parser.
        content: The document; it has no such field.
        field: Name of the field.
        line: Its value, in flow style on one line, or lines of a block below it.

    Returns:
        The document; None where it is not written one field below the other.
    """
    text = _Text.of(path, content)
    if text is None or field in text.starts:
        return None
    last = max(text.starts, key=lambda name: text.starts[name])
    lines = [f"{' ' * text.indent}{field}:{'' if line.startswith(chr(10)) else ' '}{line}"]
    return text.spliced(text.end(last), text.end(last), lines)


def without_field(path: str, content: bytes, field: str) -> bytes | None:
    """Return a document without a field; comments around it stay.

    Returns:
        The document; None where the field cannot be taken out as whole lines.
    """
    text = _Text.of(path, content)
    if text is None or field not in text.starts:
        return None
    return text.spliced(text.starts[field], text.end(field), [])


def with_entry(path: str, content: bytes, field: str, entry: str) -> bytes | None:
    """Return a document with one more entry at the end of a list, which is begun where it is not there.

    Args:
        path: Path, for the parser.
        content: The document.
        field: Name of the list.
        entry: The entry, in flow style on one line.

    Returns:
        The document; None where the list is written in a way that takes no further line.
    """
    text = _Text.of(path, content)
    if text is None:
        return None
    entries = text.parsed.data.get(field)
    if field in text.starts and not entries:
        bare = without_field(path, content, field)
        return None if bare is None else with_field(path, bare, field, f"\n{' ' * (text.indent + 2)}- {entry}")
    if not entries:
        return with_field(path, content, field, f"\n{' ' * (text.indent + 2)}- {entry}")
    row, column = text.parsed.marks[f"/{field}"]
    if text.lines[row - 1][column - 1] == "[":
        end = text.end(field)
        before, closing, after = text.lines[end - 1].rpartition("]")
        comma = "" if before.rstrip().endswith(",") else ","
        line = f"{before.rstrip()}{comma} {entry}{closing}{after}"
        return text.spliced(end - 1, end, [line]) if closing else None
    row, column = text.parsed.marks[f"/{field}/{len(entries) - 1}"]
    dash = text.lines[row - 1].rfind("-", 0, column - 1)
    return text.spliced(text.end(field), text.end(field), [f"{' ' * dash}- {entry}"]) if dash >= 0 else None


class _Text:
    """The lines of a document, and on which of them its fields begin."""

    def __init__(self, parsed: Parsed, text: str, starts: dict[str, int], indent: int) -> None:
        self.parsed = parsed
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.starts = starts
        self.indent = indent

    @classmethod
    def of(cls, path: str, content: bytes) -> "_Text | None":
        parsed = parse_yaml(path, content)
        if isinstance(parsed, tuple) or not isinstance(parsed.data, dict) or not parsed.data:
            return None
        places = {name: parsed.marks[f"/{name}#"] for name in parsed.data if f"/{name}#" in parsed.marks}
        rows = {row for row, _ in places.values()}
        columns = {column for _, column in places.values()}
        if len(rows) < len(parsed.data) or len(columns) != 1:
            return None
        starts = {name: row - 1 for name, (row, _) in places.items()}
        return cls(parsed, content.decode("utf-8"), starts, columns.pop() - 1)

    def end(self, field: str) -> int:
        """Return the line after the last one of a field: comments and blank lines after it are not its own."""
        later = [start for start in self.starts.values() if start > self.starts[field]]
        end = min(later, default=len(self.lines))
        while end > self.starts[field] + 1 and _is_beside(self.lines[end - 1]):
            end -= 1
        return end

    def spliced(self, start: int, end: int, lines: list[str]) -> bytes:
        rest = self.lines[end:] or [""]
        return self.newline.join("\n".join([*self.lines[:start], *lines, *rest]).split("\n")).encode("utf-8")


def _is_beside(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#") or line.startswith("...")
