"""A change as one document, which policy rules may select: what came, went, and asks for less than before."""

from dataclasses import dataclass

from ringtide_contract import API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """A document that differs."""

    path: str
    """Path."""
    kind: str
    """Its kind; `DeviceInventory` for devices in JSON Lines."""
    name: str
    """Its name; of a release `<model>/<version>`, of an inventory the path."""

    def document(self) -> dict[str, object]:
        """Write it as plain values."""
        return {"path": self.path, "kind": self.kind, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Weakening:
    """A rule that asks for less than in the base."""

    rule: str
    """Id of the rule."""
    how: str
    """How, in words."""
    path: str
    """File that weakens it."""

    def document(self) -> dict[str, object]:
        """Write it as plain values."""
        return {"rule": self.rule, "how": self.how, "path": self.path}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """The difference between base and head."""

    first: bool
    """Whether there is no base: everything is new."""
    added: tuple[Entry, ...]
    """Documents that head has and the base has not, by path."""
    changed: tuple[Entry, ...]
    """Documents that both have, with other content."""
    removed: tuple[Entry, ...]
    """Documents that the base has and head has not."""
    weakened: tuple[Weakening, ...]
    """Rules that ask for less."""
    trust: tuple[str, ...]
    """Files below `trust/` that differ."""

    def document(self) -> dict[str, object]:
        """Write the document that rules read."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Change",
            "first": self.first,
            "added": [each.document() for each in self.added],
            "changed": [each.document() for each in self.changed],
            "removed": [each.document() for each in self.removed],
            "weakened": [each.document() for each in self.weakened],
            "trust": list(self.trust),
        }
