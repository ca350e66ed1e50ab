"""Quantities in messages, as people write them in the files."""

from fractions import Fraction


def percent(share: Fraction) -> str:
    """Write a share as `12.5%`."""
    return f"{float(share * 100):g}%"
