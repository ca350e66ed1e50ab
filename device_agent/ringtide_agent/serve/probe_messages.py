"""What the supervisor asks a probing process, and what it answers: one JSON object each way."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from ringtide_agent.serve.control import MAX_TEXT, LoadableRelease, readable
from ringtide_contract import fields
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError

MAX_REQUEST_BYTES = 512 * 1024
"""A manifest of the largest size, escaped, and its paths."""

MAX_ANSWER_BYTES = 64 * 1024

Step = Literal["load", "golden", "budget", "requirement"]
"""What a release can fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """What the trial showed."""

    failure: Step | None
    """The first thing that went wrong."""
    note: str
    """The figures, for people."""
    p95_latency_us: int | None
    """95th percentile of one inference."""
    peak_memory_bytes: int | None
    """Most resident memory of the probing process."""


def encode_request(release: LoadableRelease) -> bytes:
    """Write a request."""
    return encode(release.to_dict())


def decode_request(content: bytes) -> LoadableRelease:
    """Read a request.

    Raises:
        InputError: Not a request.
    """
    return LoadableRelease.from_dict(decode(content, limit=MAX_REQUEST_BYTES))


def encode_answer(answer: ProbeAnswer) -> bytes:
    """Write an answer as one line."""
    return (
        encode(
            {
                "failure": answer.failure,
                "note": answer.note[:MAX_TEXT],
                "p95LatencyUs": answer.p95_latency_us,
                "peakMemoryBytes": answer.peak_memory_bytes,
            }
        )
        + b"\n"
    )


def decode_answer(content: bytes) -> ProbeAnswer:
    """Read an answer of a process that has parsed a model, so trust nothing.

    Raises:
        InputError: Not an answer.
    """
    data = fields.members(decode(content, limit=MAX_ANSWER_BYTES), "answer")
    failure = fields.optional_text(data, "failure")
    if failure is not None and failure not in get_args(Step):
        raise InputError(f"{failure[:20]!r} is not a step that can fail")
    return ProbeAnswer(
        failure=cast("Step | None", failure),
        note=readable(fields.text(data, "note")),
        p95_latency_us=fields.optional_integer(data, "p95LatencyUs"),
        peak_memory_bytes=fields.optional_integer(data, "peakMemoryBytes"),
    )
