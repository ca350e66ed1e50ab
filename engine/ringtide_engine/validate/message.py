"""Messages of rules: placeholders filled from the document and the parameters."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.*-]{1,100})\}")

MAX_SHOWN = 20
"""Values that one placeholder shows; a message is read by people."""


def filled(message: str, variables: Mapping[str, Any]) -> str:
    """Return a message with its placeholders filled.

    `{a.b}` stands for a field of the document, `{a.0}` for an item of a list, `{a.*.b}` for every item of a list or value
    of a mapping; `{params.a}` for a parameter, and `{fleet.plan.now}` for what the condition reads of the fleet.
    """
    known = {**variables["object"], "params": variables["params"], "fleet": variables["fleet"]}
    return _PLACEHOLDER.sub(lambda match: _said(tuple(_values(known, match[1].split(".")))), message)


def _values(value: object, parts: Sequence[str]) -> Iterator[object]:
    """Yield what a path leads to; nothing where it leads nowhere."""
    if not parts:
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value
        return
    part, below = parts[0], parts[1:]
    if isinstance(value, Mapping):
        chosen = list(value.values()) if part == "*" else [value.get(part)]
    elif isinstance(value, list):
        chosen = value if part == "*" else value[int(part) : int(part) + 1] if part.isdigit() else []
    else:
        chosen = []
    for each in chosen:
        yield from _values(each, below)


def _said(values: tuple[object, ...]) -> str:
    shown = ", ".join(map(str, values[:MAX_SHOWN])) or "nothing"
    return shown if len(values) <= MAX_SHOWN else f"{shown} and {len(values) - MAX_SHOWN} more"
