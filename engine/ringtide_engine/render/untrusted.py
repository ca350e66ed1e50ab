"""Words that people wrote into files, made safe for the format that they go into.

Whoever opens a pull request chooses names and values. They must not forge a line of a log, close a table or an element,
mention people, link to other pages, or change the direction of the text around them.
"""

import re

MOST = 500
"""Characters of one value that are shown; a longer one has its place in the file."""

_MARKUP = re.compile(r"[&<>\\`*_{}\[\]#|!~$\"']")
_NO_SPAN = re.compile(r"[`<>|]")
_LINKED = re.compile(r"(@|://|\bwww\.|\bGH-)", re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = "\u200b"
"""Zero width space: a reader sees no difference, and a linker finds no word."""


def plain(text: str, most: int = MOST) -> str:
    """Return one line of printable characters: no control, no direction, no surrogate."""
    line = " ".join(text.split())
    cut = line if len(line) <= most else f"{line[: most - 1]}…"
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in cut)


def log_line(text: str) -> str:
    """Return one line of any length that cannot move a cursor, and that no runner reads as a command."""
    return plain(text, len(text) + 1).replace("##[", "## [")


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is: no markup but code spans, no element, no mention, no link.

    Entities, since a backslash does not keep a table's cell together everywhere. GitHub looks for mentions, issues and
    addresses in the text that results, so those are broken by a character of no width.
    """
    parts = plain(text).split("`")
    if len(parts) % 2 == 0 or not all(parts[1:-1]):  # backticks without a partner, or side by side
        return _prose("`".join(parts))
    return "".join(code(part) if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    shown = _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", text)
    shown = shown.replace("&#35;", f"&#35;{_BREAK}")
    return _LINKED.sub(lambda word: f"{word[0][0]}{_BREAK}{word[0][1:]}", shown)


def code(text: str) -> str:
    """Return a code span for any place, a cell of a table among them; within it nothing is markup."""
    return f"`{_NO_SPAN.sub(chr(0xFFFD), plain(text)) or ' '}`"


def xml_text(text: str) -> str:
    """Return text without the characters that XML 1.0 cannot hold, escaped or not."""
    return _NOT_XML.sub("\ufffd", text)


def command_data(text: str) -> str:
    """Return text as the message of a GitHub workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """Return text as the value of a property of a GitHub workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")
