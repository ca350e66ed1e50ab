"""Windows: golden instants, and how they are read and written."""

from datetime import UTC, datetime

import pytest

from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_instant
from ringtide_contract.windows import DAYS, Window, next_opening, open_now
from vectors import samples
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("window"))
def test_window_is_written_as_it_was_read(vector: Vector) -> None:
    assert encode(Window.from_dict(decode(vector.content, limit=4096)).to_dict()) == vector.content


@pytest.mark.parametrize("vector", good("window"))
def test_window_is_open_and_closed_at_the_golden_instants(vector: Vector) -> None:
    window = Window.from_dict(decode(vector.content, limit=4096))
    assert [text for text in vector.facts["open"] if not window.covers(parse_instant(text))] == []
    assert [text for text in vector.facts["closed"] if window.covers(parse_instant(text))] == []


@pytest.mark.parametrize("vector", bad("window"))
def test_bad_window_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Window.from_dict(decode(vector.content, limit=4096))
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_no_window_means_at_any_time() -> None:
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert open_now((), now)
    assert next_opening((), now) == now


def test_any_open_window_is_enough() -> None:
    monday_noon = Window(days=frozenset({"mon"}), start="12:00", end="13:00", zone="UTC")
    now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert not samples.NIGHT.covers(now)
    assert open_now((samples.NIGHT, monday_noon), now)


def test_the_next_opening_is_the_minute_at_which_the_window_starts() -> None:
    now = datetime(2026, 11, 23, 9, 0, 31, tzinfo=UTC)
    assert next_opening((samples.NIGHT,), now) == datetime(2026, 11, 23, 21, 30, tzinfo=UTC)


def test_a_window_that_falls_into_the_spring_gap_has_no_opening_within_eight_days() -> None:
    gap = Window(days=frozenset({"sun"}), start="02:00", end="03:00", zone="Europe/Berlin")
    assert next_opening((gap,), datetime(2026, 3, 22, 2, tzinfo=UTC)) is None


def test_days_are_those_of_the_calendar() -> None:
    monday = datetime(2026, 11, 23, 12, tzinfo=UTC)
    for offset, day in enumerate(DAYS):
        window = Window(days=frozenset({day}), start="00:00", end="00:00", zone="UTC")
        assert window.covers(monday.replace(day=23 + offset))
