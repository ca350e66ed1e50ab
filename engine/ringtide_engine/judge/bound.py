"""What so many devices can prove: the exact upper bound of a rate.

C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26 (1934). With no failures it is 1 - 0.05^(1/n), near 3/n: the rule of three (J. A. Hanley,
A. Lippman-Hand, JAMA 249, 1983). In decimal arithmetic, whose results are the same on every machine.
"""

from decimal import ROUND_CEILING, Decimal, localcontext
from functools import cache

CONFIDENCE = "95 %"
_ALPHA = Decimal("0.05")

MAX_DEVICES = 10_000
"""With more devices the bound lies within a point of the observed rate, and summing it up takes long."""

_HALVINGS = 40
"""Far finer than the tenth of a percent that is printed."""


@cache
def upper_bound_permille(failures: int, devices: int) -> int | None:
    """Return the bound, in thousandths, that the true rate of failing devices lies under with 95 % confidence.

    Returns:
        Rounded up; 1000 for no device; None above `MAX_DEVICES`.
    """
    if devices > MAX_DEVICES:
        return None
    if failures >= devices:
        return 1000
    with localcontext(prec=28):
        low, high = Decimal(0), Decimal(1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if _at_most(failures, devices, middle) > _ALPHA:
                low = middle
            else:
                high = middle
        return int((low * 1000).to_integral_value(rounding=ROUND_CEILING))


def _at_most(failures: int, devices: int, rate: Decimal) -> Decimal:
    """Return the chance of at most `failures` in `devices` at a true `rate`."""
    term = (1 - rate) ** devices
    total, odds = term, rate / (1 - rate)
    for count in range(1, failures + 1):
        term = term * (devices - count + 1) * odds / count
        total += term
    return total
