"""Downloads keep to the device's windows, and only a device that runs something bad does not wait for them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fakes.agent_store import MemoryStore
from fakes.agent_world import World
from fakes.publication import START, ban, make_manifest, steady
from ringtide_agent.download_windows import DownloadWindow, most_rate_bytes_s, opens_at, parse_download_window
from ringtide_contract.errors import InputError
from ringtide_contract.windows import DAYS, Window

ONE, TWO, THREE = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("1.2.0")
ALL = [ONE, TWO, THREE]
NIGHT = parse_download_window("daily 22:00-23:00 UTC")


def closed(world: World) -> None:
    """Start the device anew with a window that is not open now."""
    world.settings = replace(world.settings, download_windows=(NIGHT,))
    world.start()
    world.turns(2)
    world.artifacts.fetched.clear()


def test_outside_the_windows_nothing_is_downloaded_and_the_reason_says_until_when(world: World) -> None:
    closed(world)
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert (world.runs(), world.state(), world.artifacts.fetched) == ("1.0.0", "Deferred", [])
    assert world.reason() == "outside the download windows of this device: the next opens at 2026-11-02T22:00:00Z"
    written = world.store.journal["model-digits"]
    world.turns(5)
    assert world.store.journal["model-digits"] == written, "waiting writes nothing"
    world.clock.wall = START.replace(hour=22, minute=1)
    world.turns(2)
    assert world.runs() == "1.1.0"


def test_the_wait_goes_on_after_a_restart(world: World) -> None:
    closed(world)
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    world.start()
    world.turns(3)
    assert (world.state(), world.artifacts.fetched) == ("Deferred", [])


def test_a_window_that_closes_ends_the_download_and_the_next_goes_on(world: World) -> None:
    closed(world)
    world.clock.wall = START.replace(hour=22, minute=58)
    world.artifacts.turns = 100
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert (world.state(), world.artifacts.left) == ("Fetching", [])
    world.turns(2)
    assert (world.state(), world.artifacts.left) == ("Deferred", [item.sha256 for item in TWO.artifacts])
    world.artifacts.turns = 0
    world.clock.wall = START.replace(day=START.day + 1, hour=22, minute=1)
    world.turns(2)
    assert world.runs() == "1.1.0"


def test_what_lies_on_the_disk_needs_no_window(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.turns(3)
    closed(world)
    world.publish(steady(ONE), manifests=ALL)
    world.turns(3)
    assert (world.runs(), world.artifacts.fetched) == ("1.0.0", [])


def test_a_roll_back_from_a_banned_release_is_downloaded_at_once(world: World) -> None:
    closed(world)
    world.publish(steady(TWO), manifests=ALL, quarantine=[ban(ONE)])
    world.turns(3)
    assert world.runs() == "1.1.0"


def test_a_device_that_has_lost_what_it_ran_does_not_wait(world: World) -> None:
    closed(world)
    assert isinstance(world.store, MemoryStore)
    world.store.slots.clear()
    world.store.blobs.clear()
    world.start()
    world.turns(4)
    assert world.runs() == "1.0.0"
    assert world.artifacts.fetched


@pytest.mark.parametrize(
    ("text", "days", "rate"),
    [
        ("daily 00:00-00:00 UTC", set(DAYS), None),
        ("mon-fri 22:00-06:00 Europe/Berlin 512KiB/s", {"mon", "tue", "wed", "thu", "fri"}, 512 * 1024),
        ("sat-mon,wed 22:00-06:00 UTC", {"sat", "sun", "mon", "wed"}, None),
        ("sun 22:00-06:00 UTC 1KiB/s", {"sun"}, 1024),
    ],
)
def test_a_window_is_read_as_people_write_it(text: str, days: set[str], rate: int | None) -> None:
    read = parse_download_window(text)
    assert (read.window.days, read.most_rate_bytes_s) == (days, rate)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a window like"),
        ("nights", "not a window like"),
        ("mon 22:00 UTC", "not a window like"),
        ("mon 22:00-06:00 UTC 1KiB/s x", "not a window like"),
        ("mon 22:00-06:00 UTC fast", "not a rate like 512KiB/s"),
        ("mon 22:00-06:00 UTC 0KiB/s", "not a rate like 512KiB/s"),
        ("mom 22:00-06:00 UTC", "'mom' is not among daily"),
        ("mon-mom 22:00-06:00 UTC", "'mon-mom' is not among daily"),
        ("mon, 22:00-06:00 UTC", "'' is not among daily"),
        ("mon 22-06 UTC", "not a time of day"),
        ("mon 22:00-06:00 Mars/Olympus", "not a known IANA time zone"),
    ],
)
def test_what_is_no_window_is_named(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_download_window(text)


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def window(start: str, end: str, rate: int | None) -> DownloadWindow:
    return DownloadWindow(window=Window(days=frozenset(DAYS), start=start, end=end, zone="UTC"), most_rate_bytes_s=rate)


@pytest.mark.parametrize(
    ("windows", "general", "rate"),
    [
        ([], None, None),
        ([], 7, 7),
        ([window("11:00", "13:00", 5)], None, 5),
        ([window("11:00", "13:00", 9)], 7, 9),
        ([window("11:00", "13:00", None)], 7, 7),
        ([window("11:00", "13:00", 9), window("11:30", "13:00", 5)], 7, 5),
        ([window("13:00", "14:00", 5)], 7, 7),
    ],
)
def test_a_window_may_have_a_rate_of_its_own(
    windows: list[DownloadWindow], general: int | None, rate: int | None
) -> None:
    assert most_rate_bytes_s(windows, general, NOON) == rate


def test_without_windows_downloads_may_always_begin() -> None:
    assert opens_at([], NOON) == NOON
    assert opens_at([window("11:00", "13:00", None)], NOON) == NOON
    assert opens_at([window("13:00", "14:00", None)], NOON) == NOON.replace(hour=13)
