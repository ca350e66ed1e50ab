"""Maintenance windows: weekdays and hours in a named zone, in which a device may switch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


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


def open_now(windows: Sequence[Window], now: datetime) -> bool:
    """Tell whether a switch may happen at `now`; no windows means at any time."""
    return not windows or any(window.covers(now) for window in windows)


def next_opening(windows: Sequence[Window], now: datetime) -> datetime | None:
    """Return the next minute at which a window is open, or None where none opens within eight days."""
    if open_now(windows, now):
        return now
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)  # in a local zone addition skips or repeats an hour
    for step in range(1, 8 * 24 * 60):
        at = minute + timedelta(minutes=step)
        if open_now(windows, at):
            return at
    return None
