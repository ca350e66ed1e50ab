"""Maintenance windows written as cron: those that recur weekly become windows that a device reads."""

import re
from datetime import timedelta

from ringtide_contract.errors import InputError
from ringtide_contract.windows import DAYS

MAX_STARTS = 24
"""Starts in a day; a window that opens more often is open always."""

_PART = re.compile(r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?", re.ASCII)
_WEEKDAYS = {name: number for number, name in enumerate(("sun", *DAYS[:-1]))}


def weekly(expression: str, length: timedelta) -> tuple[tuple[frozenset[str], str, str], ...]:
    """Return the days, starts and ends of a cron expression's windows.

    Minute, hour and day of the week may be lists, ranges and steps; day of the month and month are `*`, since a
    device knows weekly windows only.

    Raises:
        InputError: It is no cron expression, recurs otherwise than weekly, or the windows are shorter than a minute,
            longer than a day, or too many.
    """
    fields = expression.lower().split()
    if len(fields) != 5:
        raise InputError(f"{expression[:60]!r} is not five fields: minute, hour, day of month, month, day of week")
    if fields[2] != "*" or fields[3] != "*":
        raise InputError(f"{expression[:60]!r} names days of a month or months; windows recur weekly, so write `* *`")
    minutes = length // timedelta(minutes=1)
    if length % timedelta(minutes=1) or not 1 <= minutes <= 1440:
        raise InputError("a window lasts whole minutes, a day at most")
    starts = [(hour, minute) for hour in _numbers(fields[1], 0, 23) for minute in _numbers(fields[0], 0, 59)]
    if len(starts) > MAX_STARTS:
        raise InputError(f"{expression[:60]!r} opens {len(starts)} times a day; {MAX_STARTS} are enough")
    days = frozenset(DAYS[number - 1] for number in _numbers(fields[4], 0, 7))
    return tuple((days, _clock(hour * 60 + minute), _clock(hour * 60 + minute + minutes)) for hour, minute in starts)


def _clock(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def _numbers(text: str, least: int, most: int) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise InputError(f"{part[:20]!r} is not a part of a cron expression")
        first, last, step = match.groups()
        begin = least if first is None else _number(first, least, most)
        end = most if first is None or (last is None and step) else _number(last or first, least, most)
        if end < begin or step == "0" or step == "00":
            raise InputError(f"{part[:20]!r} is no range of a cron expression")
        found.update(range(begin, end + 1, int(step or 1)))
    return sorted(found)


def _number(text: str, least: int, most: int) -> int:
    value = _WEEKDAYS.get(text) if most == 7 else None
    value = int(text) if value is None and text.isdigit() else value
    if value is None or not least <= value <= most:
        raise InputError(f"{text!r} in a cron expression is not from {least} to {most}")
    return value
