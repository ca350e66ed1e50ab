"""What people say about a rollout under way: approvals of rings, pause, abort, and periods in which nothing opens."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIRST, _LAST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
"""Where on Earth a day begins first and last."""

_EARLIEST, _LATEST = date(1, 1, 3), date(9999, 12, 29)
"""Days that begin within the calendar in every zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeed:
    """Who must agree before a ring opens."""

    approvers: tuple[str, ...]
    """Names that count, as approvals write them; empty: anybody's."""
    least: int
    """How many different ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's word for a rollout, or for one of its rings."""

    by: str
    """Who."""
    role: str
    """In which role."""
    day: date
    """On which day."""
    ring: str | None = None
    """Ring that may open; None where policies alone ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing more opens until somebody takes this away."""

    by: str
    """Who."""
    reason: str
    """Why."""
    since: date | None = None
    """Since which day, for readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """The rollout shall be taken back, although nothing is shown against its release."""

    by: str
    """Who."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A period in which no ring opens."""

    first: date
    """Day with whose beginning it begins."""
    until: date
    """Day with whose beginning it ends."""
    zone: str
    """IANA time zone of both."""
    reason: str
    """Why."""

    @property
    def is_zone_known(self) -> bool:
        """Tell whether the zone is one."""
        return _zone(self.zone) is not None

    @property
    def begins(self) -> datetime:
        """When it begins; in a zone that nobody knows, when the day begins anywhere."""
        return _midnight(self.first, _zone(self.zone) or _FIRST)

    @property
    def ends(self) -> datetime:
        """When it ends; in a zone that nobody knows, when the day has begun everywhere."""
        return _midnight(self.until, _zone(self.zone) or _LAST)

    def covers(self, now: datetime) -> bool:
        """Tell whether the aware instant `now` lies within."""
        return self.begins <= now < self.ends


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _midnight(day: date, zone: tzinfo) -> datetime:
    within = min(max(day, _EARLIEST), _LATEST)
    return datetime.combine(within, time(), zone).astimezone(UTC)
