"""Quantities as people write them: durations, sizes, shares, latencies."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ringtide_contract.errors import InputError
from ringtide_contract.windows import DAYS, Window

MAX_DURATION = timedelta(days=3650)
"""Ten years: longer is a typing error."""

_DURATION = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12})(KiB|MiB|GiB|TiB)", re.ASCII)
_SHARE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%", re.ASCII)
_LATENCY = re.compile(r"([0-9]{1,9})(us|ms|s)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 1_000_000}


def duration(value: Any) -> timedelta:
    """Parse `90s`, `5m`, `24h`, `14d`.

    Raises:
        InputError: Another form, or beyond `MAX_DURATION`.
    """
    match = _DURATION.fullmatch(value)
    if not match:
        raise InputError(f"{value!r} is not a duration such as 90s, 5m, 24h or 14d")
    length = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if length > MAX_DURATION:
        raise InputError(f"{value} is longer than ten years")
    return length


def positive_duration(value: Any) -> timedelta:
    """Parse a duration that is not zero.

    Raises:
        InputError: Another form, or zero.
    """
    length = duration(value)
    if not length:
        raise InputError(f"{value} is no time at all")
    return length


def size(value: Any) -> int:
    """Parse `512KiB`, `96MiB`, `2GiB`, or plain bytes.

    Raises:
        InputError: Another form, or beyond 2^53 - 1 bytes.
    """
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(value)
    if not match or not int(match[1]):
        raise InputError(f"{value!r} is not a size such as 96MiB or a number of bytes")
    count = int(match[1]) * _BYTES[match[2]]
    if count >= 2**53:
        raise InputError(f"{value} is beyond 2^53 bytes")
    return count


def share(most: int = 100) -> Callable[[Any], Fraction]:
    """Return a parser of percentages such as `12.5%`, from 0 to `most`, as fractions of one."""

    def parse(value: Any) -> Fraction:
        match = _SHARE.fullmatch(value)
        if not match:
            raise InputError(f"{value!r} is not a share such as 5% or 12.5%")
        fraction = Fraction(match[1]) / 100
        if fraction * 100 > most:
            raise InputError(f"{value} is above {most}%")
        return fraction

    return parse


def time_zone(value: Any) -> str:
    """Parse an IANA time zone.

    Raises:
        InputError: Nobody knows it.
    """
    return Window(days=frozenset(DAYS), start="00:00", end="00:00", zone=value).zone


def amount(value: Any) -> int | Fraction:
    """Parse a number of things, or a share of them such as `10%`.

    Raises:
        InputError: Another form.
    """
    return value if isinstance(value, int) else share()(value)


def parts_per_million(value: Any) -> int:
    """Parse a percentage into millionths.

    Raises:
        InputError: Another form, or finer than a millionth.
    """
    return _whole(share()(value) * 10**6, value)


def tolerance_ppm(value: Any) -> int:
    """Parse a number such as 0.001 into millionths.

    Raises:
        InputError: Not from 0 to 1000, or finer than a millionth.
    """
    try:
        amount = Fraction(Decimal(str(value)))
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"{value!r} is not a number such as 0.001") from error
    if not 0 <= amount <= 1000:
        raise InputError(f"{value} is not between 0 and 1000")
    return _whole(amount * 10**6, value)


def latency_us(value: Any) -> int:
    """Parse `500us`, `20ms`, `1s` into microseconds.

    Raises:
        InputError: Another form, or zero.
    """
    match = _LATENCY.fullmatch(value)
    if not match or not int(match[1]):
        raise InputError(f"{value!r} is not a latency such as 500us, 20ms or 1s")
    return int(match[1]) * _MICROSECONDS[match[2]]


def version_range(value: Any) -> str:
    """Parse a version range such as `>=1.20,<2` (PEP 440).

    Raises:
        InputError: Another form.
    """
    try:
        SpecifierSet(value)
    except InvalidSpecifier as error:
        raise InputError(f"{value!r} is not a version range such as '>=1.20,<2'") from error
    return str(value)


def day(value: Any) -> date:
    """Parse a day such as 2026-12-31.

    Raises:
        InputError: Another form, or no such day.
    """
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InputError(f"{value!r} is not a day such as 2026-12-31") from error


def _whole(amount: Fraction, value: Any) -> int:
    if amount.denominator != 1:
        raise InputError(f"{value} is finer than a millionth")
    return int(amount)
