"""The quarantine list: releases and model graphs that no device may activate again."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest, parse_name
from ringtide_contract.manifest import Manifest

MAX_QUARANTINE_BYTES = 256 * 1024

Subject = Literal["release", "artifact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """One banned subject."""

    subject: Subject
    """`release`: all its variants, by name and by the digests of its graphs. `artifact`: single graphs by digest."""
    model: str
    """Model name."""
    release: str
    """Version of the release; for an artifact, the release it was found in."""
    graphs: tuple[Digest, ...]
    """Digests of banned model graphs; under any version name they stay banned."""
    reason: str
    """One line for people."""

    @classmethod
    def from_dict(cls, value: object) -> "QuarantineEntry":
        """Read an entry from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "quarantine entry")
        subject = fields.text(data, "subject")
        if subject not in get_args(Subject):
            raise InputError(f"{subject[:20]!r} is not a quarantine subject")
        return cls(
            subject=cast("Subject", subject),
            model=parse_name(fields.text(data, "model")),
            release=fields.text(data, "release"),
            graphs=fields.items(data, "graphs", lambda item: parse_digest(fields.string(item))),
            reason=fields.text(data, "reason"),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the entry as `from_dict` reads it."""
        return {
            "subject": self.subject,
            "model": self.model,
            "release": self.release,
            "graphs": list(self.graphs),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The whole list; the last leaf of every tree."""

    entries: tuple[QuarantineEntry, ...]
    """The entries, ordered by model, release and subject."""

    def entry_against(self, manifest: Manifest) -> QuarantineEntry | None:
        """Return the entry that bans `manifest`, or None where nothing does."""
        graph = manifest.artifact(manifest.graph).sha256
        for entry in self.entries:
            named = entry.subject == "release" and (entry.model, entry.release) == (manifest.model, manifest.release)
            if named or graph in entry.graphs:
                return entry
        return None

    @classmethod
    def decode(cls, content: bytes) -> "Quarantine":
        """Read the list from its bytes.

        Raises:
            InputError: Not a quarantine list.
        """
        data = fields.document(decode(content, limit=MAX_QUARANTINE_BYTES), "Quarantine")
        return cls(entries=fields.items(data, "entries", QuarantineEntry.from_dict))

    def encode(self) -> bytes:
        """Write the list in canonical bytes."""
        entries: list[Json] = [entry.to_dict() for entry in self.entries]
        return encode({"apiVersion": API_VERSION, "kind": "Quarantine", "entries": entries})
