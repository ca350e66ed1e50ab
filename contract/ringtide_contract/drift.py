"""The drift reference of a release: how its inputs and answers spread where all is well.

It is an artifact beside the graph, plain JSON like the golden set. Each stream takes one figure of every row of a
tensor and says how often it fell into which bin. What a device sees is compared with these counts window by window; it
reports how many windows were unlike them, never what was in them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import TensorSpec

MAX_REFERENCE_BYTES = 64 * 1024

MAX_STREAMS = 16

MAX_BINS = 1000

WINDOW_ROWS = range(50, 100_001)
"""Least and most rows of a window: fewer show little, more are never complete."""

Statistic = Literal["argmax", "max", "mean", "std"]
"""The figure of a row: the place of the best score, the best score, the mean, the standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One figure of the rows of a tensor, and how it spreads."""

    tensor: str
    """Input or output of the graph."""
    statistic: Statistic
    """Figure of a row."""
    edges: tuple[float, ...]
    """Where one bin ends and the next begins, rising; none for `argmax`, whose bins are the places."""
    counts: tuple[int, ...]
    """Rows of the reference in each bin."""

    def __post_init__(self) -> None:
        """Refuse bins that cannot be counted.

        Raises:
            InputError: Too few or too many bins, edges that do not rise or do not fit the counts, or no row at all.
        """
        what = f"the {self.statistic} of {self.tensor!r}"
        if not 2 <= len(self.counts) <= MAX_BINS:
            raise InputError(f"{what} has {len(self.counts)} bins, not 2 to {MAX_BINS}")
        if self.statistic == "argmax" and self.edges:
            raise InputError(f"{what} has edges: its bins are the places of the best score")
        if self.statistic != "argmax" and len(self.edges) != len(self.counts) - 1:
            raise InputError(f"{what} has {len(self.edges)} edges between {len(self.counts)} bins")
        if any(one >= other for one, other in zip(self.edges, self.edges[1:], strict=False)):
            raise InputError(f"the edges of {what} do not rise")
        if not sum(self.counts):
            raise InputError(f"{what} was counted over no row")

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each bin, with one row more in each, so that none is impossible."""
        whole = sum(self.counts) + len(self.counts)
        return tuple((count + 1) / whole for count in self.counts)

    def bin_of(self, figure: float) -> int | None:
        """Return the bin that a figure falls into; None for a place that the reference has not."""
        if self.statistic != "argmax":
            return bisect_right(self.edges, figure)
        place = int(figure)
        return place if place < len(self.counts) else None

    @classmethod
    def from_dict(cls, value: object) -> "Stream":
        """Read a stream from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "stream")
        statistic = fields.text(data, "statistic")
        if statistic not in get_args(Statistic):
            raise InputError(f"{statistic[:20]!r} is not one of {', '.join(get_args(Statistic))}")
        return cls(
            tensor=fields.text(data, "tensor"),
            statistic=cast("Statistic", statistic),
            edges=fields.items(data, "edges", _number),
            counts=fields.items(data, "counts", fields.whole),
        )

    def to_dict(self) -> dict[str, object]:
        """Write the stream as `from_dict` reads it; edges are the only numbers with a fraction."""
        return {
            "tensor": self.tensor,
            "statistic": self.statistic,
            "edges": list(self.edges),
            "counts": list(self.counts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """What a release's inputs and answers are held against."""

    window: int
    """Rows that are held against it together; more than it was counted over would find its own chance."""
    streams: tuple[Stream, ...]
    """The figures."""

    @classmethod
    def from_dict(cls, value: object, tensors: Sequence[TensorSpec]) -> "DriftReference":
        """Read a reference from decoded JSON.

        Args:
            value: The decoded JSON.
            tensors: Inputs and outputs that the graph has.

        Raises:
            InputError: A member is missing or wrong, or a stream of a tensor that the graph has not or that
                holds no numbers.
        """
        data = fields.document(value, "DriftReference")
        streams = fields.items(data, "streams", Stream.from_dict)
        figures = [each.name for each in tensors if each.datatype != "BYTES"]
        window = fields.integer(data, "window")
        if window not in WINDOW_ROWS:
            raise InputError(f"a window has {WINDOW_ROWS[0]} to {WINDOW_ROWS[-1]} rows, not {window}")
        if not 1 <= len(streams) <= MAX_STREAMS:
            raise InputError(f"a drift reference has 1 to {MAX_STREAMS} streams, not {len(streams)}")
        for stream in streams:
            if stream.tensor not in figures:
                raise InputError(f"the graph has no figures in {stream.tensor[:60]!r}, but in {', '.join(figures)}")
            if sum(stream.counts) < window:
                raise InputError(
                    f"the {stream.statistic} of {stream.tensor!r} was counted over {sum(stream.counts)} rows: "
                    f"the window has {window}, at most so many"
                )
        return cls(window=window, streams=streams)

    def to_dict(self) -> dict[str, object]:
        """Write the reference as `from_dict` reads it."""
        return {
            "apiVersion": API_VERSION,
            "kind": "DriftReference",
            "window": self.window,
            "streams": [each.to_dict() for each in self.streams],
        }


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise InputError(f"{str(value)[:40]!r} is not a number")
    return float(value)
