"""Figures and times in the judge's sentences, without floating point."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction


def percent(share: Fraction) -> str:
    """Write a share: `66.7 %`, `95 %`; rounded to a tenth, and 100 % only where it is whole."""
    tenths = round(share * 1000)
    if tenths == 1000 and share != 1:
        tenths = 999 if share < 1 else 1001
    if tenths == 0 and share > 0:
        return "under 0.1 %"
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth} %" if tenth else f"{whole} %"


def duration(span: timedelta) -> str:
    """Write a duration in the largest units that are whole: `90s`, `1h`, `3d`."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def devices(count: int) -> str:
    """Write a number of devices."""
    return "1 device" if count == 1 else f"{count} devices"


NAMED = 10
"""Devices named in one sentence; a sentence for a million of them helps nobody."""


def named(names: Sequence[str], total: int) -> str:
    """Join the first names, and say how many more there are of `total`."""
    shown = ", ".join(names[:NAMED])
    more = total - min(len(names), NAMED)
    return f"{shown} and {more} more" if more > 0 else shown
