"""Windows by cron and in the time of the site: what agents read are plain weekly windows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.bad_fleets import edited
from fakes.desired_states import opened, progress_of
from fakes.fleet_files import fleet_files
from ringtide_contract.errors import InputError
from ringtide_contract.membership import EVERYBODY
from ringtide_contract.windows import DAYS, Window, next_opening
from ringtide_engine.load.cron import weekly
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.resolve import resolve

HOURS = timedelta(hours=3)


@pytest.mark.parametrize(
    ("expression", "days", "starts"),
    [
        ("0 2 * * MON-THU", "mon tue wed thu", ["02:00"]),
        ("30 22 * * *", " ".join(DAYS), ["22:30"]),
        ("0 2 * * 0", "sun", ["02:00"]),
        ("0 2 * * 7", "sun", ["02:00"]),
        ("0 2 * * 5-7", "fri sat sun", ["02:00"]),
        ("15 */8 * * sat,sun", "sat sun", ["00:15", "08:15", "16:15"]),
        ("0,30 1 * * 1-5/2", "mon wed fri", ["01:00", "01:30"]),
    ],
)
def test_a_weekly_cron_opens_on_its_days_at_its_times(expression: str, days: str, starts: list[str]) -> None:
    found = weekly(expression, HOURS)
    assert [start for _, start, _ in found] == starts
    assert {each for each, _, _ in found} == {frozenset(days.split())}


def test_a_window_by_cron_runs_past_midnight() -> None:
    assert weekly("30 22 * * fri", HOURS) == ((frozenset({"fri"}), "22:30", "01:30"),)
    assert weekly("0 0 * * fri", timedelta(days=1)) == ((frozenset({"fri"}), "00:00", "00:00"),)


@pytest.mark.parametrize(
    ("expression", "length", "said"),
    [
        ("0 2 1 * *", HOURS, "windows recur weekly"),
        ("0 2 * 6 *", HOURS, "windows recur weekly"),
        ("0 2 * *", HOURS, "is not five fields"),
        ("@daily", HOURS, "is not five fields"),
        ("0 24 * * *", HOURS, "'24' in a cron expression is not from 0 to 23"),
        ("0 2 * * mon-xyz", HOURS, "'xyz' in a cron expression is not from 0 to 7"),
        ("0 5-2 * * *", HOURS, "is no range"),
        ("0 */0 * * *", HOURS, "is no range"),
        ("0 L * * *", HOURS, "is not a part"),
        ("*/5 * * * *", HOURS, "opens 288 times a day"),
        ("0 2 * * *", timedelta(seconds=90), "whole minutes"),
        ("0 2 * * *", timedelta(hours=25), "a day at most"),
    ],
)
def test_another_cron_is_refused_by_name(expression: str, length: timedelta, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("*", "[*]")):
        weekly(expression, length)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-28T12:00:00", "2026-03-29T01:00:00"),  # the spring gap: 02:30 does not exist, 03:00 CEST is next
        ("2026-10-24T12:00:00", "2026-10-25T00:30:00"),  # the autumn fold: the first of two
        ("2026-11-21T12:00:00", "2026-11-22T01:30:00"),
    ],
)
def test_a_window_by_cron_opens_on_both_days_on_which_the_clock_is_changed(now: str, opens: str) -> None:
    ((days, start, end),) = weekly("30 2 * * sun", HOURS)
    window = Window(days=days, start=start, end=end, zone="Europe/Berlin")
    expected = datetime.fromisoformat(opens).replace(tzinfo=UTC)
    assert next_opening([window], datetime.fromisoformat(now).replace(tzinfo=UTC)) == expected


def loaded(window: str, zones: str = "") -> DesiredState | str:
    edits = {"rings/standard.yaml": ("    soak:", f"    windows: [{window}]\n    soak:")}
    files = edited(fleet_files(rollout="1.1.0"), edits)
    result = load_desired({**files, "fleet.yaml": files["fleet.yaml"] + zones.encode()})
    return result.state or result.findings[0].message


@pytest.mark.parametrize(
    "window",
    [
        "{zone: UTC}",
        '{cron: "0 2 * * *", zone: UTC}',
        "{duration: 3h, zone: UTC}",
        '{days: [mon], from: "02:00", zone: UTC}',
        '{days: [mon], from: "02:00", to: "05:00", duration: 3h, zone: UTC}',
        '{days: [mon], cron: "0 2 * * *", duration: 3h, zone: UTC}',
    ],
)
def test_a_window_is_written_in_one_of_two_ways(window: str) -> None:
    assert loaded(window) == "a window has either `days`, `from` and `to`, or `cron` and `duration`"


def test_devices_read_windows_in_the_zone_of_their_site() -> None:
    sites = "timeZones: {label: region, zones: {eu: Europe/Berlin, us: America/New_York}}\n"
    state = loaded('{cron: "0 2 * * mon", duration: 3h, zone: site}', sites)
    assert isinstance(state, DesiredState)
    strata = {each.stratum for each in resolve(state).classes.values()}
    progress = progress_of("1.1.0", "rolling", opened("canary", dict.fromkeys(strata, EVERYBODY)))
    state = replace(state, progress={"digits-1.1.0": progress})
    resolution = resolve(state)
    seen = {
        (resolution.classes[each.class_id].labels["region"], window.zone, window.start, window.end)
        for each in resolution.assignments
        if each.rollout is not None
        for ring in each.rollout.ranges
        for window in ring.windows
    }
    assert seen == {("eu", "Europe/Berlin", "02:00", "05:00"), ("us", "America/New_York", "02:00", "05:00")}
