"""Numbers, bytes and instants in words."""

from datetime import UTC, datetime


def readable_bytes(count: int) -> str:
    """Write a number of bytes for people: `0 B`, `48.0 KiB`."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def count_of(count: int, one: str) -> str:
    """Write a number with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def minute(at: datetime) -> str:
    """Write an instant for people."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
