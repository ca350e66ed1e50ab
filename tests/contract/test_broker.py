"""Topics and messages of a broker: written and read alike, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.broker import Presence, Taken, device_topic, parse_device_topic, parse_number
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256


@given(st.integers(min_value=1, max_value=10**15 - 1))
def test_a_topic_is_read_as_it_was_written(number: int) -> None:
    device, rest = parse_device_topic(device_topic("harbour", "crane-07", f"reports/{number}"), "harbour")
    assert (device, parse_number(rest)) == ("crane-07", number)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ringtide/v1/harbour/hint",
        "ringtide/v1/other/devices/crane-07/reports/1",
        "ringtide/v1/harbour/devices/crane-07",
        "ringtide/v1/harbour/devices//reports/1",
        "ringtide/v1/harbour/devices/../reports/1",
        "ringtide/v1/harbour/devices/Crane/reports/1",
        "x/ringtide/v1/harbour/devices/crane-07/reports/1",
    ],
)
def test_a_topic_of_nobody_is_refused(topic: str) -> None:
    with pytest.raises(InputError):
        parse_device_topic(topic, "harbour")


@pytest.mark.parametrize(
    "rest",
    ["taken", "reports/", "reports/0", "reports/01", "reports/-1", "reports/1/2", "reports/²", "reports/" + "9" * 16],
)
def test_a_place_of_no_report_is_refused(rest: str) -> None:
    with pytest.raises(InputError):
        parse_number(rest)


def test_a_device_called_hint_cannot_reach_the_hint() -> None:
    assert not device_topic("harbour", "hint", "").startswith("ringtide/v1/harbour/hint")


def test_messages_survive_their_encoding() -> None:
    taken, presence = Taken(number=7, payload=sha256(b"x")), Presence(session="run", alive=False)
    assert Taken.decode(taken.encode()) == taken
    assert Presence.decode(presence.encode()) == presence


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"alive":1,"session":"x"}', b'{"number":0,"payload":"x"}', b" " * 2000]
)
def test_other_messages_are_refused(content: bytes) -> None:
    for kind in (Taken, Presence):
        with pytest.raises(InputError):
            kind.decode(content)
