"""A latency histogram that merges by addition: logarithmic buckets, 16 to an octave, each at most 6.25 % wide."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError

STEPS = 16
"""Buckets per doubling."""

MAX_BUCKET = 40 * STEPS
"""2^40 microseconds is twelve days; a report with a larger bucket is refused."""


_BUCKET = re.compile("0|[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySketch:
    """Counts of latencies by bucket; addition of counts is the merge."""

    counts: Mapping[int, int]
    """Bucket number to count; buckets without a count are absent."""

    @property
    def total(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    def quantile_us(self, share: float) -> int | None:
        """Return the upper border, in microseconds, of the bucket that holds the quantile; None where empty."""
        total = self.total
        if not total:
            return None
        exact = Fraction(share).limit_denominator(1_000_000)  # 0.07 of 100 is 7; floats make it a little more
        rank, seen = max(1, math.ceil(exact * total)), 0
        for number in sorted(self.counts):
            seen += self.counts[number]
            if seen >= rank:
                return upper_border_us(number)
        raise AssertionError("the counts sum to the total")

    @classmethod
    def from_dict(cls, value: object) -> "LatencySketch":
        """Read a sketch from decoded JSON.

        Raises:
            InputError: A bucket number or count is wrong.
        """
        data = fields.members(value, "latency")
        counts: dict[int, int] = {}
        for name, count in fields.mapping(data, "log16us", fields.whole).items():
            if not _BUCKET.fullmatch(name) or int(name) > MAX_BUCKET:
                raise InputError(f"{name[:20]!r} is not a latency bucket")
            counts[int(name)] = count
        return cls(counts=MappingProxyType(counts))

    def to_dict(self) -> dict[str, Json]:
        """Write the sketch as `from_dict` reads it."""
        return {"log16us": {str(number): self.counts[number] for number in sorted(self.counts)}}


EMPTY = LatencySketch(counts=MappingProxyType({}))


def bucket_of(microseconds: int) -> int:
    """Return the bucket of a latency; integer arithmetic, the same on every machine."""
    value = max(1, microseconds)
    octave = value.bit_length() - 1
    step = ((value << 4 >> octave) - STEPS) if octave <= 62 else STEPS - 1
    return min(MAX_BUCKET, octave * STEPS + step)


def upper_border_us(number: int) -> int:
    """Return the smallest latency above bucket `number`, in microseconds."""
    octave, step = divmod(number, STEPS)
    return -(-((STEPS + step + 1) << octave) // STEPS)


def merge(sketches: Iterable[LatencySketch]) -> LatencySketch:
    """Return the sum of sketches."""
    counts: dict[int, int] = {}
    for sketch in sketches:
        for number, count in sketch.counts.items():
            counts[number] = counts.get(number, 0) + count
    return LatencySketch(counts=MappingProxyType(counts))
