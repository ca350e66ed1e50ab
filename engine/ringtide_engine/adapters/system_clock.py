"""The system's clock."""

from datetime import UTC, datetime


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        return datetime.now(UTC)
