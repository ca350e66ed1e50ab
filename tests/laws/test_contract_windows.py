"""Laws of maintenance windows, with the days of Berlin on which an hour is missing or comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtide_contract.windows import DAYS, Window, next_opening, open_now

BERLIN = ZoneInfo("Europe/Berlin")
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
WINDOWS = st.builds(
    Window,
    days=st.frozensets(st.sampled_from(DAYS), min_size=1),
    start=CLOCKS,
    end=CLOCKS,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001


def local_minutes(day: datetime) -> list[datetime]:
    """Return every real minute of a day in Berlin: 1,380 in spring, 1,500 in autumn."""
    start = day.replace(tzinfo=BERLIN).astimezone(UTC)
    minutes = [start + timedelta(minutes=step) for step in range(26 * 60)]
    return [at for at in minutes if at.astimezone(BERLIN).date() == day.date()]


@pytest.mark.parametrize(
    ("day", "minutes"), [("2026-03-29", 23 * 60), ("2026-10-25", 25 * 60), ("2026-11-22", 24 * 60)]
)
def test_a_whole_day_is_open_for_as_long_as_that_day_is(day: str, minutes: int) -> None:
    whole = Window(days=frozenset({"sun"}), start="00:00", end="00:00", zone="Europe/Berlin")
    day_minutes = local_minutes(datetime.fromisoformat(day))
    assert len(day_minutes) == minutes
    assert all(whole.covers(at) for at in day_minutes)
    assert not whole.covers(day_minutes[0] - timedelta(minutes=1))
    assert not whole.covers(day_minutes[-1] + timedelta(minutes=1))


@pytest.mark.parametrize(("day", "minutes"), [("2026-03-29", 0), ("2026-10-25", 120), ("2026-11-22", 60)])
def test_the_hour_from_two_to_three_is_missing_in_spring_and_twice_in_autumn(day: str, minutes: int) -> None:
    window = Window(days=frozenset({"sun"}), start="02:00", end="03:00", zone="Europe/Berlin")
    assert sum(window.covers(at) for at in local_minutes(datetime.fromisoformat(day))) == minutes


@given(WINDOWS, INSTANTS)
def test_a_window_follows_the_wall_clock_of_its_zone(window: Window, now: datetime) -> None:
    local = now.astimezone(ZoneInfo(window.zone))
    clock = local.strftime("%H:%M")
    today, yesterday = (DAYS[(local - timedelta(days=back)).weekday()] for back in (0, 1))
    if window.start < window.end:
        expected = today in window.days and window.start <= clock < window.end
    else:
        expected = (today in window.days and clock >= window.start) or (yesterday in window.days and clock < window.end)
    assert window.covers(now) is expected


@given(WINDOWS, INSTANTS)
def test_a_window_and_its_reverse_share_no_instant_and_leave_none_on_full_weeks(window: Window, now: datetime) -> None:
    """Windows from a to b and from b to a on every day are the two parts of all time."""
    if window.start == window.end:
        return
    one = Window(days=frozenset(DAYS), start=window.start, end=window.end, zone=window.zone)
    other = Window(days=frozenset(DAYS), start=window.end, end=window.start, zone=window.zone)
    assert one.covers(now) is not other.covers(now)


@settings(max_examples=40)
@given(st.lists(WINDOWS, min_size=1, max_size=2), INSTANTS)
def test_the_next_opening_is_open_and_no_minute_before_it_is(windows: list[Window], now: datetime) -> None:
    opening = next_opening(windows, now)
    if opening is None:
        return
    assert open_now(windows, opening)
    assert now <= opening <= now + timedelta(days=8)
    assert (
        opening == now or not open_now(windows, opening - timedelta(minutes=1)) or opening - now < timedelta(minutes=1)
    )


@settings(max_examples=20)
@given(WINDOWS, INSTANTS)
def test_the_next_opening_does_not_depend_on_the_zone_in_which_now_is_written(window: Window, now: datetime) -> None:
    assert next_opening([window], now) == next_opening([window], now.astimezone(ZoneInfo(window.zone)))


def test_the_next_opening_after_the_spring_gap_is_an_instant_that_exists() -> None:
    """Adding minutes to a local time would find 02:30, an hour that this day does not have."""
    window = Window(days=frozenset({"sun"}), start="02:30", end="04:00", zone="Europe/Berlin")
    now = datetime(2026, 3, 29, 1, 45, tzinfo=BERLIN)
    assert next_opening([window], now) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@given(WINDOWS)
def test_a_window_is_read_as_it_was_written(window: Window) -> None:
    assert Window.from_dict(window.to_dict()) == window
