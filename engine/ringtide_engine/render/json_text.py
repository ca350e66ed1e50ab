"""Plain values as JSON text that any reader takes."""

import json
from typing import Any


def json_text(data: Any) -> bytes:
    """Write values as JSON: indented, UTF-8, a line end at the end.

    YAML can spell half of a surrogate pair, which UTF-8 cannot; it becomes a question mark.
    """
    return json.dumps(data, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
