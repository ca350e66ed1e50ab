"""Paths that do not survive a checkout on every machine, or that a reviewer cannot read for what they are."""

import unicodedata
from collections.abc import Iterable, Iterator

from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import finding

MAX_PART_BYTES = 255
"""What file systems hold of one name."""

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{digit}" for digit in range(1, 10)), *(f"lpt{digit}" for digit in range(1, 10))}
)
"""Names that Windows gives to devices, whatever follows the first dot."""

_FORBIDDEN = frozenset('<>:"|?*\\')
"""Signs that Windows does not take in a name."""


def path_findings(paths: Iterable[str]) -> Iterator[Finding]:
    """Yield what is wrong with the paths of documents, whatever stands in them."""
    seen: dict[str, str] = {}
    for path in sorted(paths):
        if not isinstance(spot(path), Spot):
            continue
        problem = next((said for part in path.split("/") if (said := _problem(part)) is not None), None)
        if problem is not None:
            yield finding("RT-FILE-006", Place(path=path), problem)
        first = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if first != path:
            said = f"{_spelt(path)} and {_spelt(first)} are one file on some machines"
            yield finding("RT-FILE-005", Place(path=path), said)


def _spelt(path: str) -> str:
    """Return a path so that the two ways to write an accent look different."""
    return path if path.isascii() else ascii(path)[1:-1]


def _problem(part: str) -> str | None:
    if part in ("", ".", ".."):
        return f"{part or 'nothing'} is no name of a file"
    hidden = next((sign for sign in part if not sign.isprintable()), None)
    if hidden is not None:
        return f"the name has the sign U+{ord(hidden):04X}, which is not seen"
    if part.split(".")[0].lower() in _RESERVED:
        return f"Windows gives the name {part} to a device"
    if part[-1] in ". ":
        return f"Windows drops the end of the name {part!r}"
    wrong = next((sign for sign in part if sign in _FORBIDDEN), None)
    if wrong is not None:
        return f"Windows takes no {wrong} in a name"
    if part[0] == "-":
        return f"programs take the name {part} for an option"
    if len(part.encode("utf-8", "replace")) > MAX_PART_BYTES:
        return f"the name has more than {MAX_PART_BYTES} bytes"
    return None
