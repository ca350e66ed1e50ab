"""Quantities in the sentences of a plan, as people write them in the files."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from ringtide_contract.ids import DeviceId
from ringtide_engine.model.plan_report import SHOWN_DEVICES, Devices


def percent(share: Fraction) -> str:
    """Write a share as `12.5%`."""
    return f"{float(share * 100):g}%"


def duration(span: timedelta) -> str:
    """Write a duration in its two largest units: `90s`, `1h 30m`, `3d`."""
    rest = int(span.total_seconds())
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if rest >= size and len(parts) < 2:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return " ".join(parts) or "0s"


def count(number: int, noun: str = "device") -> str:
    """Write a number of things: `1 device`, `12 devices`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def mebibytes(number: int) -> str:
    """Write a size: `12 MiB`, and bytes where it is no whole number of them."""
    return f"{number >> 20} MiB" if number and number % 2**20 == 0 else count(number, "byte")


def some(devices: Sequence[DeviceId]) -> Devices:
    """Count devices, and name the first of them."""
    return Devices(count=len(devices), first=tuple(sorted(devices)[:SHOWN_DEVICES]))
