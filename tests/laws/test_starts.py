"""Laws of beginning: a window that opens is not a starting pistol, for the fleet or for one site."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ringtide_contract.membership import EVERYBODY, Cut, bucket, salt, turn
from ringtide_contract.windows import DAYS, Window, next_start, open_now

NIGHT = Window(days=frozenset(DAYS), start="02:00", end="05:00", zone="Europe/Berlin")
SPREAD = timedelta(hours=6)
SALTS = st.builds(salt, st.just("harbour"), st.text("abcdefgh", min_size=1, max_size=12), st.just("1.1.0"))
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001
TURNS = st.integers(0, EVERYBODY - 1)


def starts(devices: list[str], text: str, opened: datetime, now: datetime) -> list[datetime]:
    """Return when each device begins that waits at `now`."""
    found = [next_start([NIGHT], opened, spread=SPREAD, turn=turn(text, each), now=now) for each in devices]
    assert None not in found
    return [each for each in found if each is not None]


def busiest(instants: list[datetime]) -> int:
    """Return the most that begin within any five minutes."""
    ordered = sorted(instants)
    return max(sum(at <= each < at + timedelta(minutes=5) for each in ordered) for at in ordered)


@settings(max_examples=5, deadline=None)
@given(SALTS, st.integers(0, 23))
def test_no_five_minutes_of_a_night_get_three_times_their_share(text: str, hour: int) -> None:
    """1,000 devices and a window of three hours are 28 in five minutes on average; whenever the ring has opened."""
    opened = datetime(2026, 11, 23, 5, tzinfo=UTC) + timedelta(hours=hour % 20)
    devices = [f"crane-{number:04}" for number in range(1000)]
    assert busiest(starts(devices, text, opened, opened)) <= 3 * 1000 * 5 / 180


@settings(max_examples=5, deadline=None)
@given(SALTS)
def test_devices_that_come_back_another_day_are_spread_as_well(text: str) -> None:
    devices = [f"crane-{number:04}" for number in range(1000)]
    opened = datetime(2026, 11, 20, 8, tzinfo=UTC)
    later = opened + timedelta(days=4)
    assert busiest(starts(devices, text, opened, later)) <= 3 * 1000 * 5 / 180


@settings(max_examples=5, deadline=None)
@given(SALTS)
def test_the_devices_of_one_site_and_those_of_one_ring_have_turns_from_first_to_last(text: str) -> None:
    """Also where a site moves as one, and where a ring is made of neighbouring buckets."""
    ring = [name for name in (f"yard-{number:05}" for number in range(20_000)) if bucket(text, name) < Cut(2**64 // 20)]
    instants = starts(ring, text, datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert busiest(instants) <= 3 * len(ring) * 5 / 180
    assert max(instants) - min(instants) > timedelta(hours=2)


WINDOWS = st.builds(
    Window,
    days=st.frozensets(st.sampled_from(DAYS), min_size=1),
    start=st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
    end=st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
SPREADS = st.integers(0, 90_000).map(lambda seconds: timedelta(seconds=seconds))


@settings(deadline=None)
@given(st.lists(WINDOWS, max_size=2), INSTANTS, SPREADS, TURNS, st.integers(-90_000, 900_000))
def test_a_device_begins_in_an_open_window_not_before_the_ring_and_does_not_lose_its_turn(
    windows: list[Window], opened: datetime, spread: timedelta, place: int, seconds: int
) -> None:
    now = opened + timedelta(seconds=seconds)
    begins = next_start(windows, opened, spread=spread, turn=place, now=now)
    if begins is None:
        return
    assert begins >= max(now, opened)
    assert open_now(windows, begins)
    assert next_start(windows, opened, spread=spread, turn=place, now=begins) == begins, "it may begin when it was told"
    between = now + (begins - now) / 2
    if between >= opened:
        assert next_start(windows, opened, spread=spread, turn=place, now=between) == begins, "waiting changes nothing"


@settings(deadline=None, max_examples=50)
@given(WINDOWS, INSTANTS, SPREADS, TURNS)
def test_every_device_has_a_turn_in_a_window_of_every_day(
    window: Window, now: datetime, spread: timedelta, place: int
) -> None:
    daily = Window(days=frozenset(DAYS), start=window.start, end=window.end, zone=window.zone)
    begins = next_start([daily], now, spread=spread, turn=place, now=now)
    assert begins is not None
    assert begins - now < timedelta(days=4), "one day may lack the hour, one may be too far gone"
