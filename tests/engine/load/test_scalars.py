"""Plain scalars follow the core schema of YAML 1.2, not the habits of YAML 1.1."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_engine.load.scalars import Scalar, plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-7", -7),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
    ],
)
def test_core_schema_values(text: str, value: Scalar) -> None:
    assert plain_scalar(text) == value
    assert type(plain_scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "y", "N", "1.1.0", "2026-12-31", "02:00", "1_000", "0b11", "5%", "nULL", "١٢"]
)
def test_everything_else_is_text(text: str) -> None:
    assert plain_scalar(text) == text


@pytest.mark.parametrize("text", [".inf", "-.INF", ".NaN", "9007199254740992", "1e400", "1" * 41, "010", "-00"])
def test_numbers_that_json_does_not_carry_or_that_programs_read_differently_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        plain_scalar(text)
