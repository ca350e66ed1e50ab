"""When artifacts may be downloaded, and how fast: weekly windows that a person at the device writes.

`mon-fri 22:00-06:00 Europe/Berlin 512KiB/s`: days on which it starts, local times, zone, and, where wanted, a most rate.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract.errors import InputError
from ringtide_contract.windows import DAYS, Window, next_opening, open_now

EXAMPLE = "mon-fri 22:00-06:00 Europe/Berlin 512KiB/s"

_RATE = re.compile(r"([1-9]\d{0,6})KiB/s", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadWindow:
    """A time of the week in which artifacts are downloaded."""

    window: Window
    """When."""
    most_rate_bytes_s: int | None
    """All downloads together take no more in it; None for the general limit."""


def parse_download_window(text: str) -> DownloadWindow:
    """Read a window as people write it.

    Raises:
        InputError: Not such a window.
    """
    words = text.split()
    if not 3 <= len(words) <= 4 or words[1].count("-") != 1:
        raise InputError(f"{text!r} is not a window like {EXAMPLE!r}")
    start, end = words[1].split("-")
    rate = _RATE.fullmatch(words[3]) if len(words) == 4 else None
    if len(words) == 4 and rate is None:
        raise InputError(f"{words[3]!r} is not a rate like 512KiB/s")
    return DownloadWindow(
        window=Window(days=_days(words[0]), start=start, end=end, zone=words[2]),
        most_rate_bytes_s=None if rate is None else int(rate[1]) << 10,
    )


def opens_at(windows: Sequence[DownloadWindow], now: datetime) -> datetime | None:
    """Return when downloads may begin: `now` where they may, and None where no window opens within eight days."""
    spans = [each.window for each in windows]
    return now if open_now(spans, now) else next_opening(spans, now)


def most_rate_bytes_s(windows: Sequence[DownloadWindow], general: int | None, now: datetime) -> int | None:
    """Return what all downloads together may take at `now`, None for no limit: of several open windows the least."""
    rates = [each.most_rate_bytes_s or general for each in windows if each.window.covers(now)] or [general]
    return min((rate for rate in rates if rate is not None), default=None)


def _days(text: str) -> frozenset[str]:
    if text == "daily":
        return frozenset(DAYS)
    found: set[str] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise InputError(f"{part!r} is not among daily, {', '.join(DAYS)}, and spans like mon-fri")
        begin = DAYS.index(first)
        span = (DAYS.index(last) - begin) % len(DAYS) if dash else 0
        found |= {DAYS[(begin + step) % len(DAYS)] for step in range(span + 1)}
    return frozenset(found)
