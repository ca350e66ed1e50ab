"""Proof by betting: how strongly devices speak against a hypothesis, at any time they are looked at.

Each device gives one score between 0 and 1, such as its share of failed requests. Against "the mean is at most m" we bet
on scores above m: a device with score x multiplies our wealth by 1 + b (x - m). Where the hypothesis holds no bet gains
on average, so the chance that the wealth ever reaches 1/alpha is at most alpha, however often it is looked at and
wherever one stops (J. Ville, "Étude critique de la notion de collectif", 1939; I. Waudby-Smith, A. Ramdas, "Estimating
means of bounded random variables by betting", Journal of the Royal Statistical Society B 86, 2024).

An exposed device is compared with a control device of its stratum, its pair. Where the candidate changes nothing, either
of the two is as likely to be the worse one as in the toss of a coin, whatever else befalls the fleet meanwhile: the
sequential sign test. It asks nothing of the scores, neither their distribution nor that they keep still.

The wealth is spread over a few fixed sizes of bet, since nobody knows the best one (the method of mixtures). With bets
fixed beforehand the order of devices does not matter, and counts are all that must be kept. Scores are rounded against
the bet. Wealth is given as its natural logarithm; `refuted` turns it into an answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence

Scores = Mapping[int, int]
"""Score in millionths, as `rounded` gives it, to the number of devices with it."""

MILLION = 1_000_000

_ABOVE = (0.9, *(2.0**-power for power in range(1, 10)))
"""Bets on scores above the mean, as parts of the largest that cannot lose everything; small ones suit noisy scores."""

_BELOW = ((1.0, 0.5), *((2.0**-power, 0.0625) for power in range(1, 9)))
"""Bets on scores below it, with their parts of the wealth. The full bet is the best one while nothing fails at all."""

COIN = tuple(tenths / 10 for tenths in range(1, 10))
"""Bets on one side of a coin, as parts of the wealth."""


def rounded(part: int, whole: int) -> int:
    """Return the score `part / whole` in millionths, cut to two digits; what is not zero never becomes zero."""
    exact = part * MILLION // whole
    if exact < 100:
        return max(exact, 1) if part else 0
    step = _step(exact)
    return exact // step * step


def log_wealth_above(scores: Scores, mean: float) -> float:
    """Return how strongly the scores refute "the mean is at most `mean`"."""
    if mean >= 1:
        return 0.0
    lows = [(score / MILLION, devices) for score, devices in scores.items()]
    return _mixed([_grown(lows, part / max(mean, 1e-9), mean) - math.log(len(_ABOVE)) for part in _ABOVE])


def log_wealth_below(scores: Scores, mean: float) -> float:
    """Return how strongly the scores refute "the mean is at least `mean`"."""
    if mean <= 0:
        return 0.0
    highs = [(_above(score) / MILLION, devices) for score, devices in scores.items()]
    return _mixed([_grown(highs, -part / max(1 - mean, 1e-9), mean) + math.log(weight) for part, weight in _BELOW])


def log_wealth_coin(heads: int, tails: int) -> float:
    """Return how strongly so many tosses refute "heads is at most as likely as tails"."""
    return _mixed([heads * math.log(1 + bet) + tails * math.log(1 - bet) - math.log(len(COIN)) for bet in COIN])


def log_shared(wealths: Sequence[float]) -> float:
    """Return the wealth of one who spread it evenly over several bets; none of them may be favoured by looking."""
    return _mixed([wealth - math.log(len(wealths)) for wealth in wealths]) if wealths else 0.0


def refuted(log_wealth: float, alpha: float) -> bool:
    """Tell whether a hypothesis is refuted; where it holds, this ever happens with a chance of at most `alpha`."""
    return log_wealth >= -math.log(alpha)


def devices_needed(limit: float, alpha: float) -> int:
    """Return how many devices without any fault refute "the mean is at least `limit`"."""
    return _least(lambda count: refuted(log_wealth_below({0: count}, limit), alpha))


def pairs_needed(alpha: float) -> int:
    """Return how many pairs that all fall on one side refute the fair coin."""
    return _least(lambda count: refuted(log_wealth_coin(count, 0), alpha))


def _least(enough: Callable[[int], bool]) -> int:
    most = 1
    while not enough(most):
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most


def _step(score: int) -> int:
    return int(10 ** (len(str(score)) - 2))


def _above(score: int) -> int:
    """Return the least score above all that `rounded` gives `score`."""
    if score < 100:
        return score + 1 if score else 0
    return min(MILLION, score + _step(score))


def _grown(scores: Sequence[tuple[float, int]], bet: float, mean: float) -> float:
    total = 0.0
    for score, devices in scores:
        factor = 1 + bet * (score - mean)
        if factor <= 0:
            return -math.inf
        total += devices * math.log(factor)
    return total


def _mixed(wealths: Sequence[float]) -> float:
    most = max(wealths)
    if most == -math.inf:
        return most
    return most + math.log(sum(math.exp(wealth - most) for wealth in wealths))
