"""Real handwritten digits, as the devices of the demo see them."""

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

DIGITS = Path(__file__).parent / "digits"
"""The images and the three releases; its README says where they come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One digit."""

    label: int
    """What it shows."""
    pixels: tuple[int, ...]
    """64 grey values of 0 to 16, row by row."""


def live_images() -> tuple[Image, ...]:
    """Return the images that no training has seen."""
    with gzip.open(DIGITS / "digits.csv.gz") as packed:
        rows = csv.DictReader(io.TextIOWrapper(packed, encoding="ascii"))
        return tuple(
            Image(label=int(row["label"]), pixels=tuple(int(row[f"p{number}"]) for number in range(64)))
            for row in rows
            if row["split"] == "live"
        )
