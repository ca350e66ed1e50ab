"""Maintenance windows: weekdays and hours in a named zone, in which a device may switch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_MINUTE = timedelta(minutes=1)

LOOK_AHEAD = timedelta(days=8)
"""A weekly window opens within this span, also where a day without the hour lies between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A window on one day."""

    opens: datetime
    """When it opens, in UTC."""
    closes: datetime
    """When it closes, in UTC; where the clock goes back, a window may close in between and open again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A weekly window. One whose end is not after its start runs past midnight."""

    days: frozenset[str]
    """Days on which it starts, of `DAYS`."""
    start: str
    """Local time of day, `HH:MM`."""
    end: str
    """Local time of day, `HH:MM`, exclusive."""
    zone: str
    """IANA time zone; daylight saving follows it."""

    def __post_init__(self) -> None:
        """Refuse what is no window.

        Raises:
            InputError: No day, an unknown day, a bad time, or an unknown zone.
        """
        if not self.days or not self.days <= set(DAYS):
            raise InputError(f"a window starts on some of {', '.join(DAYS)}, not on {sorted(self.days)}")
        for clock in (self.start, self.end):
            if not _CLOCK.fullmatch(clock):
                raise InputError(f"{clock!r} is not a time of day like 02:00")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InputError(f"{self.zone!r} is not a known IANA time zone") from error

    @classmethod
    def from_dict(cls, value: object) -> "Window":
        """Read a window from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "window")
        return cls(
            days=frozenset(fields.items(data, "days", fields.string)),
            start=fields.text(data, "from"),
            end=fields.text(data, "to"),
            zone=fields.text(data, "zone"),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the window as `from_dict` reads it."""
        days = [day for day in DAYS if day in self.days]
        return {"days": days, "from": self.start, "to": self.end, "zone": self.zone}

    def covers(self, now: datetime) -> bool:
        """Tell whether the window is open at the aware instant `now`."""
        local = now.astimezone(ZoneInfo(self.zone))
        start, end, clock = time.fromisoformat(self.start), time.fromisoformat(self.end), local.time()
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if start < end:
            return today in self.days and start <= clock < end
        return (today in self.days and clock >= start) or (yesterday in self.days and clock < end)

    def occurrences(self, now: datetime) -> Iterator[Occurrence]:
        """Yield the occurrences that close after `now`, in order, and open within eight days."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        for step in range(-2, LOOK_AHEAD.days + 2):
            each = self._occurrence(today + timedelta(days=step))
            if each is not None and each.closes > now:
                yield each

    def _occurrence(self, day: date) -> Occurrence | None:
        """Return the window that starts on `day`, None where it starts on others or the clock leaps over it."""
        if DAYS[day.weekday()] not in self.days:
            return None
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        first, last = self._instants(day, start)
        _, until = self._instants(day if start < end else day + timedelta(days=1), end)
        opens = _first_open(self, first, last + _MINUTE)
        if opens is None or opens >= until:
            return None
        while not self.covers(until - _MINUTE):
            until -= _MINUTE
        return Occurrence(opens=opens, closes=until)

    def _instants(self, day: date, clock: time) -> tuple[datetime, datetime]:
        """Return the earliest and the latest instant that may be meant: where the clock leaps they differ."""
        zone = ZoneInfo(self.zone)
        both = [datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
        return min(both), max(both)


def open_now(windows: Sequence[Window], now: datetime) -> bool:
    """Tell whether a switch may happen at `now`; no windows means at any time."""
    return not windows or any(window.covers(now) for window in windows)


def next_opening(windows: Sequence[Window], now: datetime) -> datetime | None:
    """Return the next minute at which a window is open, or None where none opens within eight days."""
    return next_start(windows, now, spread=timedelta(0), turn=0, now=now)


def next_start(
    windows: Sequence[Window], not_before: datetime, *, spread: timedelta, turn: int, now: datetime
) -> datetime | None:
    """Return when a device may begin: `now` where it may already, else its next turn.

    Without windows devices begin over `spread` from `not_before` on. With windows they do so in every occurrence anew,
    so that those which missed one do not all begin with the next; over three quarters of it at most, so that the last
    has time to fetch and to switch. An occurrence that is under way at `not_before` begins there.

    Args:
        windows: When devices may switch; none means at any time.
        not_before: When the ring opened.
        spread: Time over which devices begin.
        turn: The device's place in the order of beginning, in [0, 2^64), see `membership.turn`.
        now: The present.

    Returns:
        The instant, or None where the device has no turn within eight days.
    """
    earliest = max(now, not_before)
    if not windows:
        return max(earliest, not_before + _part(spread, turn))
    starts: list[datetime] = []
    for window in windows:
        for each in window.occurrences(earliest):
            begins = max(each.opens, not_before)
            at = max(earliest, begins + _part(min(spread, (each.closes - each.opens) * 3 / 4), turn))
            found = _first_open(window, at, each.closes)
            if found is not None:
                starts.append(found)
                break
    return min((at for at in starts if at <= earliest + LOOK_AHEAD), default=None)


def _part(span: timedelta, turn: int) -> timedelta:
    return timedelta(seconds=int(span.total_seconds()) * turn >> 64)


def _first_open(window: Window, at: datetime, until: datetime) -> datetime | None:
    """Return the first instant from `at` on at which the window is open: at once, but in an hour that comes twice."""
    while at < until:
        if window.covers(at):
            return at
        at = at.replace(second=0, microsecond=0) + _MINUTE
    return None
