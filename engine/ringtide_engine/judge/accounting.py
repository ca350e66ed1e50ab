"""Accounting: which numbers of a device were folded by it, and which nobody has explained.

What a device folds is named by the reports that it makes afterwards, not by those that waited beside it: a gap is missing first,
and explained when a later report is read.
"""

from dataclasses import dataclass

from ringtide_contract.folded import Folded

RANGES_MOST = 8
"""Gaps that wait for an explanation; the oldest of more stay missing for good."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The numbers of one device that were never accepted."""

    folded: int = 0
    """Numbers that the device folded, and said so."""
    missing: int = 0
    """Numbers that nobody has explained: lost on the way, held back, or pruned before they were read."""
    unexplained: tuple[Range, ...] = ()
    """The newest of these, as first and last number."""

    def after(self, gap: Range | None, folded: Folded | None) -> "Account":
        """Return the account after a report was accepted.

        Args:
            gap: The numbers between the last accepted report and this one; None where there are none.
            folded: What this report says the device could not keep.
        """
        ranges = (*self.unexplained, *(() if gap is None else (gap,)))
        missing = self.missing + (0 if gap is None else gap[1] - gap[0] + 1)
        if folded is None or not ranges:
            return Account(folded=self.folded, missing=missing, unexplained=ranges[-RANGES_MOST:])
        left = tuple(part for each in ranges for part in _less(each, folded))
        explained = sum(last - first + 1 for first, last in ranges) - sum(last - first + 1 for first, last in left)
        return Account(folded=self.folded + explained, missing=missing - explained, unexplained=left[-RANGES_MOST:])


def _less(numbers: Range, folded: Folded) -> tuple[Range, ...]:
    first, last = numbers
    before, after = (first, min(last, folded.first - 1)), (max(first, folded.last + 1), last)
    return tuple(part for part in (before, after) if part[0] <= part[1])
