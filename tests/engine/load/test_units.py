"""Quantities are read exactly or refused."""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from ringtide_contract.errors import InputError
from ringtide_engine.load import units


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.duration, "90s", timedelta(seconds=90)),
        (units.duration, "14d", timedelta(days=14)),
        (units.size, "96MiB", 96 * 2**20),
        (units.size, 123, 123),
        (units.share(), "12.5%", Fraction(1, 8)),
        (units.share(1000), "150%", Fraction(3, 2)),
        (units.parts_per_million, "0.0001%", 1),
        (units.tolerance_ppm, 1e-05, 10),
        (units.tolerance_ppm, "0.02", 20_000),
        (units.latency_us, "20ms", 20_000),
        (units.latency_us, "500us", 500),
        (units.version_range, ">=1.20,<2", ">=1.20,<2"),
    ],
)
def test_quantities_are_exact(parse: Callable[[Any], Any], text: Any, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.duration, "5"),
        (units.duration, "5m\n"),
        (units.duration, "4000d"),
        (units.positive_duration, "0s"),
        (units.size, "0MiB"),
        (units.size, "96MB"),
        (units.size, "99999999999TiB"),
        (units.share(), "101%"),
        (units.share(), "-1%"),
        (units.share(), "٥%"),
        (units.parts_per_million, "0.00001%"),
        (units.tolerance_ppm, 1e-08),
        (units.tolerance_ppm, 1001),
        (units.latency_us, "0ms"),
        (units.version_range, "1.20"),
        (units.day, "2026-02-30"),
    ],
)
def test_other_texts_are_refused(parse: Callable[[Any], Any], text: Any) -> None:
    with pytest.raises(InputError):
        parse(text)
