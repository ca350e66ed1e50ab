"""Findings: what is wrong with a change, where, and how to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ringtide_contract.errors import InputError

Severity = Literal["error", "warning", "info"]
"""Errors refuse the change; warnings and infos are shown."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A position in a file of the fleet repository."""

    path: str
    """Path from the repository's root, with forward slashes."""
    line: int = 1
    """Line, counted from 1."""
    column: int = 1
    """Column, counted from 1."""

    def __str__(self) -> str:
        """Write `path:line:column`, which editors and terminals turn into a link."""
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a reviewer must know of."""

    rule: str
    """Stable id, such as `RT-RING-003`; `ringtide explain` knows it."""
    severity: Severity
    """How grave it is."""
    place: Place
    """Where it is."""
    message: str
    """What is wrong, with the values."""
    fix: str
    """What to do about it, one sentence in the imperative."""
    waiver: str | None = None
    """Name of the waiver that covers it; None where none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document as its author wrote it: plain values, and where each of them stands."""

    path: str
    """Path from the repository's root."""
    kind: str
    """Its `kind`."""
    data: Mapping[str, object]
    """Plain values."""
    marks: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    """JSON pointer (RFC 6901) of a value, or of a key with `#` appended, to line and column."""

    def place(self, pointer: str = "") -> Place:
        """Return where the value at `pointer` stands, or the nearest value around it."""
        while pointer and pointer not in self.marks:
            pointer = pointer.rpartition("/")[0]
        line, column = self.marks.get(pointer, (1, 1))
        return Place(path=self.path, line=line, column=column)


class FindingsError(InputError):
    """The change has errors; all of them are carried as values.

    Attributes:
        findings: Every finding, errors and others.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        """Count the errors in the message."""
        errors = sum(finding.severity == "error" for finding in findings)
        super().__init__(f"{errors} error{'s' * (errors != 1)} in the desired state")
        self.findings = findings
