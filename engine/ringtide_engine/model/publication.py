"""What compile makes and publish commits."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract.head import TreeHead


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTree:
    """Everything that one signature covers."""

    files: Mapping[str, bytes]
    """Path to content, sorted by path; `head.json` is among them."""
    head: TreeHead
    """The head."""
