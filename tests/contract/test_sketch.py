"""Latency sketches: golden buckets, borders and quantiles."""

import pytest

from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.sketch import EMPTY, LatencySketch, bucket_of, upper_border_us
from vectors.loader import Vector, bad, good, vector


def read(vector: Vector) -> LatencySketch:
    return LatencySketch.from_dict(decode(vector.content, limit=65536))


@pytest.mark.parametrize("vector", good("latency-sketch"))
def test_sketch_is_written_as_it_was_read(vector: Vector) -> None:
    assert encode(read(vector).to_dict()) == vector.content


@pytest.mark.parametrize("vector", good("latency-sketch"))
def test_golden_latencies_give_the_golden_counts_and_quantiles(vector: Vector) -> None:
    counts: dict[int, int] = {}
    for latency in vector.facts["latenciesUs"]:
        counts[bucket_of(latency)] = counts.get(bucket_of(latency), 0) + 1
    assert counts == read(vector).counts
    assert read(vector).total == len(vector.facts["latenciesUs"])
    for share, latency in vector.facts["quantilesUs"].items():
        assert read(vector).quantile_us(float(share)) == latency


@pytest.mark.parametrize("vector", bad("latency-sketch"))
def test_bad_sketch_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        read(vector)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_golden_buckets_and_borders() -> None:
    facts = vector("latency-sketch", "twelve").facts
    assert {value: bucket_of(int(value)) for value in facts["buckets"]} == facts["buckets"]
    assert {number: upper_border_us(int(number)) for number in facts["upperBordersUs"]} == facts["upperBordersUs"]


def test_nothing_counted_has_no_quantile() -> None:
    assert EMPTY.quantile_us(0.5) is None
    assert EMPTY.total == 0


def test_seven_percent_of_a_hundred_are_seven() -> None:
    """0.07 * 100 is a little more than 7 in binary floats."""
    fast, slow = bucket_of(1), bucket_of(10_000)
    assert LatencySketch(counts={fast: 7, slow: 93}).quantile_us(0.07) == upper_border_us(fast)
    assert LatencySketch(counts={fast: 6, slow: 94}).quantile_us(0.07) == upper_border_us(slow)
