"""Membership: the same numbers on every machine."""

import hashlib
from fractions import Fraction

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.membership import (
    EVERYBODY,
    Cut,
    bucket,
    control_cut,
    opening_cut,
    parse_cut,
    salt,
    share_cut,
    turn,
    write_cut,
)
from vectors.loader import Vector, good

SALT = "harbour/gauge-2026-11/1.1.0"
BUCKETS = [bucket(SALT, f"unit-{number}") for number in range(40)]


@pytest.mark.parametrize("vector", good("membership"))
def test_golden_membership(vector: Vector) -> None:
    match vector.facts:
        case {"salt": text, "bucket": place}:
            assert f"{bucket(text, vector.content.decode()):016x}" == place
        case {"salt": text, "turn": place}:
            assert f"{turn(text, vector.content.decode()):016x}" == place
        case {"cutOf": share}:
            assert write_cut(share_cut(Fraction(share))).encode() == vector.content
        case {"controlShare": share, "units": units}:
            assert write_cut(control_cut(BUCKETS[:units], Fraction(share))).encode() == vector.content
        case {"units": units, "share": share, "minimum": minimum, "belowControl": below}:
            ceiling = control_cut(BUCKETS[:units], Fraction(1, 20)) if below else EVERYBODY
            cut = opening_cut(BUCKETS[:units], Fraction(share), minimum, ceiling)
            assert write_cut(cut).encode() == vector.content
        case facts:
            pytest.fail(f"no check for {facts}")


def test_bucket_is_the_first_eight_bytes_of_salt_zero_unit() -> None:
    digest = hashlib.sha256(b"fleet/rollout/1.0.0\x00gate-01").digest()
    assert bucket(salt("fleet", "rollout", "1.0.0"), "gate-01") == int.from_bytes(digest[:8], "big")


@pytest.mark.parametrize("cut", [0, 1, 2**53, 2**63, 2**64 - 1, 2**64])
def test_a_cut_keeps_its_value(cut: int) -> None:
    assert parse_cut(write_cut(Cut(cut))) == cut


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "f" * 15,
        "0" * 17,
        "0" + "f" * 16,
        "1" + "0" * 15 + "1",
        "F" * 16,
        "0x" + "0" * 14,
        "-" + "0" * 15,
        "٣" * 16,
    ],
)
def test_a_cut_has_one_spelling(text: str) -> None:
    with pytest.raises(InputError, match="cut"):
        parse_cut(text)
