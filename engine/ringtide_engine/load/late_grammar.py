"""jsonschema without the grammar that it compiles at import.

Where `rfc3987_syntax` is installed, importing jsonschema costs most of a second, for a format that no schema of ours has and
only bills of materials use. So a module of that name stands in until the format is checked for the first time.
"""

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import cast

_NAME = "rfc3987_syntax"


def postpone() -> None:
    """Put the stand-in where jsonschema looks; too late where the grammar is there already."""
    if _NAME not in sys.modules:
        module = ModuleType(_NAME)
        vars(module)["is_valid_syntax"] = is_valid_syntax
        sys.modules[_NAME] = module


def is_valid_syntax(term: str, value: str) -> bool:
    """Tell whether `value` is a `term` of RFC 3987, such as `iri`; true where nothing is installed that could tell."""
    return _grammar()(term, value)


@cache
def _grammar() -> Callable[[str, str], bool]:
    sys.modules.pop(_NAME, None)
    try:
        import rfc3987_syntax
    except ImportError:
        return lambda term, value: True  # noqa: ARG005  # what jsonschema does without the package
    return cast("Callable[[str, str], bool]", rfc3987_syntax.is_valid_syntax)
