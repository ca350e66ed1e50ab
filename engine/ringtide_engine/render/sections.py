"""The one writer of Markdown with a limit: sections go in whole while there is room, and what is cut is said."""

from collections.abc import Sequence
from dataclasses import dataclass

RESERVED = 1_000
"""Bytes kept for the line that names the sections that were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and things of one kind."""

    title: str
    """Heading."""
    what: str
    """What the things are called when they are counted: `rings`."""
    items: tuple[str, ...]
    """The things, each in whole lines; without any the section is left away."""
    lead: str = ""
    """What stands before them, such as the head of a table."""
    is_folded: bool = False
    """Whether a reader unfolds it."""


def write(head: str, sections: Sequence[Section], foot: str, *, limit: int, elsewhere: str) -> str:
    """Write a page of at most `limit` bytes, and so of at most as many characters.

    Args:
        head: First lines; always there.
        sections: Sections, the most important first. One that does not fit is cut between two of its things.
        foot: Last lines; always there.
        limit: Bytes of UTF-8.
        elsewhere: Where a reader finds what is cut: `in the job summary`.
    """
    room = limit - _size(head) - _size(foot) - RESERVED
    parts = [head]
    left_out: list[str] = []
    for section in sections:
        text = _fitted(section, room, elsewhere)
        if text is None:
            left_out.append(f"{len(section.items)} {section.what}")
            continue
        room -= _size(text)
        parts.append(text)
    if left_out:
        parts.append(f"Left out for lack of room: {', '.join(left_out)}; the rest is {elsewhere}.\n\n")
    return "".join((*parts, foot))


def _fitted(section: Section, room: int, elsewhere: str) -> str | None:
    """Return a section of at most `room` bytes; None where not even its first thing fits, empty where it has none."""
    if not section.items:
        return ""
    opening, closing = _frame(section)
    whole = f"{opening}{''.join(section.items)}\n{closing}"
    if _size(whole) <= room:
        return whole
    count = len(section.items)
    cut = f"\nShowing {{}} of {count} {section.what}; the rest is {elsewhere}.\n\n"
    room -= _size(opening) + _size(closing) + _size(cut) + len(str(count))
    shown: list[str] = []
    for item in section.items:
        room -= _size(item)
        if room < 0:
            break
        shown.append(item)
    return f"{opening}{''.join(shown)}{cut.format(len(shown))}{closing}" if shown else None


def _frame(section: Section) -> tuple[str, str]:
    if section.is_folded:
        # The empty line ends the element for Markdown, so that what follows is Markdown again.
        return f"<details>\n<summary>{section.title}</summary>\n\n{section.lead}", "</details>\n\n"
    return f"#### {section.title}\n\n{section.lead}", ""


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
