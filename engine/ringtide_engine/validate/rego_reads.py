"""What a Rego module reads: the parts of `input` that it names in full; all of them where it uses `input` otherwise."""

import re

from ringtide_engine.model.expression import Read

_INPUT = re.compile(r"\binput\b")
_NAMED = re.compile(r"\binput\.(?:(object|old|params|today)\b|fleet\.([A-Za-z]+)\b)")


def rego_reads(module: str) -> tuple[Read, ...]:
    """Return what a module reads; a word in a comment counts too, so what is left out is never missed."""
    named = list(_NAMED.finditer(module))
    if len(named) != len(_INPUT.findall(module)):
        return tuple(Read(root=root, steps=()) for root in ("object", "old", "fleet"))
    return tuple(Read(root=each[1], steps=()) if each[1] else Read(root="fleet", steps=(each[2],)) for each in named)
