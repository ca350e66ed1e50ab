"""How likely chance alone makes so many fail: the exact upper tail of the binomial distribution."""

import math

_NEGLIGIBLE = 1e-12


def tail(failures: int, devices: int, rate: float) -> float:
    """Return the chance that `failures` or more of `devices` fail, each with the chance `rate`.

    Where `devices` are all that can ever fail, failures counted early are among those counted in the end: so the chance
    that the count ever comes so high is this too, however often it is looked at.
    """
    if failures <= 0:
        return 1.0
    if failures > devices or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    if failures <= devices * rate:  # most of the distribution lies above
        return 1.0 - sum(_point(count, devices, rate) for count in range(failures))
    total = 0.0
    for count in range(failures, devices + 1):
        point = _point(count, devices, rate)
        total += point
        if point < _NEGLIGIBLE * total:
            break
    return min(1.0, total)


def _point(count: int, devices: int, rate: float) -> float:
    ways = math.lgamma(devices + 1) - math.lgamma(count + 1) - math.lgamma(devices - count + 1)
    return math.exp(ways + count * math.log(rate) + (devices - count) * math.log1p(-rate))
