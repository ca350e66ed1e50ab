"""How a case is written: good, bad, and a good document with one member changed."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from ringtide_contract.ids import sha256

Case = dict[str, Any]

GONE = object()
"""In place of a value: the member is taken out."""


def good(name: str, content: bytes, **facts: object) -> Case:
    """Return a case that is accepted and written back as the same bytes."""
    return {"name": name, **_text(content), "sha256": sha256(content), **facts}


def bad(name: str, content: bytes, error: str, **facts: object) -> Case:
    """Return a case that is refused with a message that holds `error`."""
    return {"name": name, **_text(content), "error": error, **facts}


def edit(content: bytes, path: str, value: object) -> bytes:
    """Return a JSON document with the member at the path, parted by slashes, set to `value`, or taken out where that is `GONE`."""
    document: Any = json.loads(content)
    *outer, last = path.split("/")
    place = document
    for part in outer:
        place = place[_key(place, part)]
    if value is GONE:
        del place[_key(place, last)]
    else:
        place[_key(place, last)] = value
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def edits(content: bytes, table: Mapping[str, tuple[str, object, str]]) -> list[Case]:
    """Return bad cases by name from (path, value, part of the message)."""
    return [bad(name, edit(content, path, value), error) for name, (path, value, error) in table.items()]


def _key(place: object, part: str) -> str | int:
    return int(part) if isinstance(place, list) else part


def _text(content: bytes) -> Case:
    try:
        return {"bytes": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(content).decode("ascii"), "encoding": "base64"}
