"""Proof by betting: nothing gains on average where the hypothesis holds, and what holds is found."""

import itertools
import math
import random
from collections import Counter

import pytest

from ringtide_engine.model.betting import (
    devices_needed,
    log_shared,
    log_wealth_above,
    log_wealth_below,
    log_wealth_coin,
    pairs_needed,
    refuted,
    rounded,
)

MILLION = 1_000_000


@pytest.mark.parametrize(("part", "whole", "score"), [(0, 7, 0), (1, 3, 330_000), (1, MILLION * 9, 1), (5, 5, MILLION)])
def test_a_score_is_cut_to_two_digits_and_never_to_nothing(part, whole, score):
    assert rounded(part, whole) == score


@pytest.mark.parametrize("mean", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("devices", [1, 3, 12])
def test_the_expected_wealth_never_exceeds_one_where_the_mean_is_the_limit(mean, devices):
    """Exactly, over every outcome of `devices` tosses with the mean that the hypothesis names."""
    for wealth in (log_wealth_above, log_wealth_below):
        expected = sum(
            math.comb(devices, failed)
            * mean**failed
            * (1 - mean) ** (devices - failed)
            * math.exp(wealth(Counter({0: devices - failed, MILLION: failed}), mean))
            for failed in range(devices + 1)
        )
        assert expected <= 1 + 1e-9


def test_the_expected_wealth_of_a_fair_coin_is_one():
    tosses = 11
    expected = sum(
        math.comb(tosses, heads) / 2**tosses * math.exp(log_wealth_coin(heads, tosses - heads))
        for heads in range(tosses + 1)
    )
    assert expected == pytest.approx(1)


def test_the_wealth_grows_by_single_steps_whose_mean_is_one():
    """A martingale: from any state the next device leaves the wealth as it is, on average."""
    for good, bad in itertools.product(range(6), range(3)):
        now = math.exp(log_wealth_above({0: good, MILLION: bad}, 0.1))
        next_good = math.exp(log_wealth_above({0: good + 1, MILLION: bad}, 0.1))
        next_bad = math.exp(log_wealth_above({0: good, MILLION: bad + 1}, 0.1))
        assert 0.9 * next_good + 0.1 * next_bad == pytest.approx(now)


@pytest.mark.parametrize(("limit", "alpha", "least"), [("0.05", 0.01, 90), ("0.1", 0.01, 44), ("0.01", 0.05, 299)])
def test_what_is_needed_without_a_fault_is_near_the_least_that_anything_could_do_with(limit, alpha, least):
    """Nobody can do with fewer than ln(alpha) / ln(1 - limit): so many devices without a fault are chance that often."""
    needed = devices_needed(float(limit), alpha)
    assert least <= needed <= least * 1.25
    assert refuted(log_wealth_below({0: needed}, float(limit)), alpha)
    assert not refuted(log_wealth_below({0: needed - 1}, float(limit)), alpha)


def test_ten_pairs_of_one_mind_are_proof_at_one_percent():
    assert pairs_needed(0.01) == 10


def test_order_does_not_matter_and_counts_are_all():
    shares = [rounded(failed, 200) for failed in (0, 1, 2, 5, 2, 2, 9)]
    shuffled = random.Random(7).sample(shares, len(shares))
    assert log_wealth_above(Counter(shares), 0.01) == pytest.approx(log_wealth_above(Counter(shuffled), 0.01))


def test_looking_after_every_device_convicts_the_innocent_no_more_often_than_alpha():
    """Peeking is what breaks a fixed-sample test; here a thousand fleets are looked at 200 times each."""
    chance, wrong = random.Random(20261123), 0
    for _ in range(1000):
        counts: Counter[int] = Counter()
        for _ in range(200):
            failed = sum(chance.random() < 0.02 for _ in range(50))
            counts[rounded(failed, 50)] += 1
            if refuted(log_wealth_above(counts, 0.02), 0.05):
                wrong += 1
                break
    assert wrong <= 50 + 3 * math.sqrt(50)


def test_twice_the_errors_of_the_control_are_found_in_fifty_pairs():
    chance, found = random.Random(7), 0
    for _ in range(100):
        worse = better = 0
        for _ in range(50):
            exposed, control = (sum(chance.random() < rate for _ in range(200)) for rate in (0.02, 0.01))
            worse, better = worse + (exposed > control), better + (exposed < control)
        found += refuted(log_wealth_coin(worse, better), 0.01)
    assert found >= 85


def test_shared_wealth_is_the_mean():
    assert log_shared([math.log(3), math.log(5)]) == pytest.approx(math.log(4))
    assert log_shared([]) == 0
