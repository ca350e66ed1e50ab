"""Laws of the latency sketch: merging is addition, and a quantile lies within one bucket of the exact one."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.canonical import decode, encode
from ringtide_contract.sketch import EMPTY, MAX_BUCKET, LatencySketch, bucket_of, merge, upper_border_us

LATENCIES = st.one_of(st.integers(1, 100), st.integers(1, 10**6), st.integers(1, 2**40 - 1))
LISTS = st.lists(LATENCIES, max_size=40)


def sketch(latencies: list[int]) -> LatencySketch:
    return merge(LatencySketch(counts={bucket_of(latency): 1}) for latency in latencies)


@given(LISTS, LISTS, LISTS)
def test_merge_is_associative_commutative_and_has_a_neutral_element(
    one: list[int], two: list[int], three: list[int]
) -> None:
    a, b, c = sketch(one), sketch(two), sketch(three)
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([c, b, a])
    assert merge([a, EMPTY]) == a == merge([a])
    assert merge([]) == EMPTY


@given(LISTS, LISTS)
def test_merging_sketches_is_sketching_everything(one: list[int], two: list[int]) -> None:
    assert merge([sketch(one), sketch(two)]) == sketch(one + two)
    assert sketch(one + two).total == len(one) + len(two)


@given(st.lists(LATENCIES, min_size=1, max_size=40), st.integers(1, 100))
def test_a_quantile_lies_above_the_exact_one_by_at_most_a_bucket(latencies: list[int], percent: int) -> None:
    exact = sorted(latencies)[math.ceil(Fraction(percent, 100) * len(latencies)) - 1]
    found = sketch(latencies).quantile_us(percent / 100)
    assert found is not None
    assert exact < found <= math.ceil(exact * Fraction(17, 16))


@given(st.lists(LATENCIES, min_size=1, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_grow_with_their_share(latencies: list[int], one: float, other: float) -> None:
    low, high = (sketch(latencies).quantile_us(share) for share in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low <= high


@given(LATENCIES)
def test_a_latency_lies_below_the_border_of_its_bucket_and_not_below_the_one_before(latency: int) -> None:
    number = bucket_of(latency)
    assert latency < upper_border_us(number)
    assert number == 0 or latency >= upper_border_us(number - 1) or latency < 16
    assert number <= MAX_BUCKET


@given(st.integers(-5, 2**70), st.integers(-5, 2**70))
def test_buckets_grow_with_latency_and_end_at_the_largest(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 0 <= bucket_of(low) <= bucket_of(high) <= MAX_BUCKET


@given(LISTS)
def test_a_sketch_is_read_as_it_was_written(latencies: list[int]) -> None:
    whole = sketch(latencies)
    assert LatencySketch.from_dict(decode(encode(whole.to_dict()), limit=65536)) == whole
