"""Messages between the supervisor and its worker processes: one JSON object a line, of bounded length.

The supervisor side reads what a process wrote that has parsed models, so decoding trusts nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringtide_contract import fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest, parse_name
from ringtide_contract.manifest import Manifest

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Sixty models, each with an active and a stable manifest of the largest size."""

MAX_TEXT = 300
"""Characters of an error text; it ends up in a report, whose notes are no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadableRelease:
    """A release that a worker process can load."""

    digest: Digest
    """Digest of the manifest as it was signed."""
    manifest: Manifest
    """The manifest."""
    files: Mapping[str, str]
    """Artifact name to absolute path."""

    @classmethod
    def from_dict(cls, value: object) -> "LoadableRelease":
        """Read a release from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "release")
        return cls(
            digest=parse_digest(fields.text(data, "digest")),
            manifest=Manifest.decode(fields.text(data, "manifest").encode()),
            files=fields.mapping(data, "files", fields.string),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the release as `from_dict` reads it."""
        return {"digest": self.digest, "manifest": self.manifest.encode().decode(), "files": dict(self.files)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedModel:
    """One model as the worker shall serve it."""

    model: str
    """Model name."""
    active: LoadableRelease
    """The release that answers."""
    stable: LoadableRelease | None
    """The release to compare with; None outside probation."""

    @classmethod
    def from_dict(cls, value: object) -> "WantedModel":
        """Read a wanted model from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "model")
        return cls(
            model=parse_name(fields.text(data, "model")),
            active=LoadableRelease.from_dict(data.get("active")),
            stable=None if data.get("stable") is None else LoadableRelease.from_dict(data["stable"]),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the wanted model as `from_dict` reads it."""
        return {
            "model": self.model,
            "active": self.active.to_dict(),
            "stable": None if self.stable is None else self.stable.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Supervisor to worker: serve exactly this."""

    number: int
    """Number of the command; the answer carries it."""
    models: tuple[WantedModel, ...]
    """Every model that shall be served."""

    def to_dict(self) -> dict[str, Json]:
        """Write the command as `decode_command` reads it."""
        return {"shape": self.number, "models": [model.to_dict() for model in self.models]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Supervisor to worker: say what was counted."""

    number: int
    """Number of the command; the answer carries it."""

    def to_dict(self) -> dict[str, Json]:
        """Write the command as `decode_command` reads it."""
        return {"count": self.number}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Worker to supervisor, to either command."""

    number: int
    """The command that is answered."""
    errors: Mapping[str, str]
    """Model to why its release does not load; such a model serves as before."""
    loaded: tuple[Digest, ...]
    """Every manifest that has a session in memory."""
    counters: tuple[Mapping[str, Any], ...]
    """Counters of every manifest that has been active, in the form of `ringtide_contract.report.Counters`."""

    def to_dict(self) -> dict[str, Json]:
        """Write the answer as `decode_answer` reads it."""
        return {
            "number": self.number,
            "errors": {model: error[:MAX_TEXT] for model, error in self.errors.items()},
            "loaded": list(self.loaded),
            "counters": list(self.counters),
        }


def encode_line(message: Shape | Count | Answer) -> bytes:
    """Write a message as one line.

    Raises:
        InputError: The line would be too long.
    """
    line = encode(message.to_dict()) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise InputError(f"a control message of {len(line)} bytes where at most {MAX_LINE_BYTES} are allowed")
    return line


def decode_command(line: bytes) -> Shape | Count:
    """Read a command of the supervisor.

    Raises:
        InputError: Not a command.
    """
    data = fields.members(decode(line, limit=MAX_LINE_BYTES), "command")
    if "shape" in data:
        return Shape(number=fields.integer(data, "shape"), models=fields.items(data, "models", WantedModel.from_dict))
    return Count(number=fields.integer(data, "count"))


def readable(text: str) -> str:
    """Return what a process said that has parsed models, as it may go to the journal, the log and a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:MAX_TEXT])


def decode_answer(line: bytes) -> Answer:
    """Read an answer of the worker.

    Raises:
        InputError: Not an answer.
    """
    data = fields.members(decode(line, limit=MAX_LINE_BYTES), "answer")
    return Answer(
        number=fields.integer(data, "number"),
        errors=fields.mapping(data, "errors", lambda value: readable(fields.string(value))),
        loaded=fields.items(data, "loaded", lambda value: parse_digest(fields.string(value))),
        counters=fields.items(data, "counters", lambda value: fields.members(value, "counters")),
    )
