"""Identifiers and instants: parsed at the border, with one spelling each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.errors import InputError
from ringtide_contract.ids import (
    DeviceId,
    format_instant,
    parse_device_id,
    parse_digest,
    parse_instant,
    parse_name,
    parse_version,
    report_ref,
    sha256,
)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_device_id, "a0"),
        (parse_device_id, "g" * 63),
        (parse_device_id, "gate-01--x"),
        (parse_name, "a"),
        (parse_name, "gauge.v2_x-1"),
        (parse_version, "1.10.0+build_7-rc"),
        (parse_digest, "0f" * 32),
    ],
)
def test_good_identifier_is_kept(parse: Callable[[str], str], text: str) -> None:
    assert parse(text) == text


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (parse_device_id, ["", "a", "-a", "a-", "a_b", "a.b", "A0", "g" * 64, "a/b", "a0\n", "ä0", "a b", "..", "a٣"]),
        (parse_name, ["", "-", ".", "..", "a.", ".a", "a/b", "A", "n" * 64, "a\n", "a b", "a٣"]),
        (parse_version, ["", ".1", "-1", "1/2", "v" * 64, "1\n", "1 2", "1٣"]),
        (parse_digest, ["", "0" * 63, "0" * 65, "0F" * 32, "0g" * 32, "0" * 64 + "\n", "٣" * 64]),
    ],
    ids=["device", "name", "version", "digest"],
)
def test_bad_identifier_is_refused_and_named(parse: Callable[[str], str], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(InputError, match="is not a"):
            parse(text)


def test_a_device_writes_one_ref_of_its_own() -> None:
    assert report_ref(DeviceId("gate-01")) == "refs/heads/reports/gate-01"


def test_sha256_is_the_known_answer() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_instants_keep_their_second(naive: datetime) -> None:
    instant = naive.replace(microsecond=0, tzinfo=UTC)
    assert parse_instant(format_instant(instant)) == instant


def test_instants_are_written_in_utc_without_fractions() -> None:
    berlin = timezone(timedelta(hours=1))
    assert format_instant(datetime(2026, 11, 23, 10, 0, 0, 999_999, tzinfo=berlin)) == "2026-11-23T09:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:00:00+00:00",
        "2026-11-23T09:00:00.0Z",
        "2026-11-23 09:00:00Z",
        "2026-11-23T09:00Z",
        "2026-02-29T09:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:00:61Z",
        "0000-01-01T00:00:00Z",
        "2026-11-23T09:00:00Z\n",
        "２０２６-11-23T09:00:00Z",
        "",
    ],
)
def test_instants_have_one_spelling(text: str) -> None:
    with pytest.raises(InputError, match="is not an instant"):
        parse_instant(text)
