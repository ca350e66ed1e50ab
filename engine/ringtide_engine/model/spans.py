"""How devices fared, span by span: counts of devices by score, all that a proof needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError

MAX_SPANS = 8
"""A device is scored over so many spans at most, each of twice the requests of the one before."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The n-th span of requests of every device that has come so far.

    Scores are millionths, rounded by `betting.rounded`; differences are those of an exposed device and its pair in the
    control, rounded the same way towards zero.
    """

    failed: Mapping[int, int]
    """Share of failed requests to devices."""
    slow: Mapping[int, int]
    """Share of requests over the latency budget to devices."""
    disagreed: Mapping[int, int]
    """Share of compared requests with another answer than the stable release to devices."""
    drifted: Mapping[int, int]
    """Share of windows unlike the drift reference to devices."""
    failed_pairs: Mapping[int, int]
    """Difference of the shares of failed requests to pairs."""
    slow_pairs: Mapping[int, int]
    """Difference of the shares of requests over budget to pairs."""

    @classmethod
    def from_dict(cls, value: object) -> "Span":
        """Read a span from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "span")
        return cls(**{name: _counts(data.get(member), member) for name, member in _MEMBERS.items()})

    def to_dict(self) -> dict[str, Json]:
        """Write the span as `from_dict` reads it."""
        counts: Callable[[str], Mapping[int, int]] = lambda name: getattr(self, name)  # noqa: E731  a typed getattr
        return {
            member: {str(score): count for score, count in sorted(counts(name).items())}
            for name, member in _MEMBERS.items()
        }


_MEMBERS = {
    "failed": "failed",
    "slow": "slow",
    "disagreed": "disagreed",
    "drifted": "drifted",
    "failed_pairs": "failedPairs",
    "slow_pairs": "slowPairs",
}


def _counts(value: object, member: str) -> Mapping[int, int]:
    counts: dict[int, int] = {}
    for score, count in fields.members(value, member).items():
        number = int(score) if score.removeprefix("-").isdecimal() and score.isascii() and len(score) <= 8 else None
        if number is None or not -_MILLION <= number <= _MILLION:
            raise InputError(f"{member}: {score[:20]!r} is not a score in millionths")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise InputError(f"{member}: {score} is not held by a whole number of devices")
        counts[number] = count
    return counts
