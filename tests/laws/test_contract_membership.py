"""Laws of membership: who is in stays in, control stays out until the last ring, small strata have their minimum."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ringtide_contract.membership import (
    EVERYBODY,
    Cut,
    bucket,
    control_cut,
    opening_cut,
    parse_cut,
    salt,
    share_cut,
    write_cut,
)

SHARES = st.fractions(0, 1, max_denominator=1000)
BUCKETS = st.one_of(
    st.lists(st.integers(0, 2**64 - 1), max_size=60, unique=True),
    st.builds(
        lambda salt_text, units: [bucket(salt_text, str(unit)) for unit in range(units)], st.text(), st.integers(0, 60)
    ),
)
MINIMA = st.integers(0, 70)
UNITS = st.text(min_size=1, max_size=20)


def inside(buckets: list[int], cut: Cut) -> set[int]:
    return {place for place in buckets if place < cut}


@given(BUCKETS, SHARES, SHARES, MINIMA, MINIMA)
def test_a_larger_share_or_minimum_exposes_a_superset(
    buckets: list[int], one: Fraction, other: Fraction, few: int, many: int
) -> None:
    smaller = opening_cut(buckets, min(one, other), min(few, many))
    larger = opening_cut(buckets, max(one, other), max(few, many))
    assert smaller <= larger
    assert inside(buckets, smaller) <= inside(buckets, larger)


@given(BUCKETS, st.lists(SHARES, min_size=2, max_size=6), MINIMA, SHARES)
def test_rings_in_order_below_the_control_only_grow(
    buckets: list[int], shares: list[Fraction], minimum: int, control: Fraction
) -> None:
    ceiling = control_cut(buckets, control)
    cuts = [opening_cut(buckets, share, minimum, ceiling) for share in sorted(shares)]
    assert cuts == sorted(cuts)


@given(BUCKETS, SHARES, MINIMA)
def test_an_opening_reaches_its_minimum_and_its_share_of_the_units(
    buckets: list[int], share: Fraction, minimum: int
) -> None:
    exposed = len(inside(buckets, opening_cut(buckets, share, minimum)))
    assert exposed >= min(len(buckets), minimum)
    assert exposed >= share * len(buckets)


@given(BUCKETS, SHARES, MINIMA)
def test_an_opening_exposes_no_more_than_it_must(buckets: list[int], share: Fraction, minimum: int) -> None:
    """Units beyond the minimum and the share's number lie below the share's own border."""
    exposed = inside(buckets, opening_cut(buckets, share, minimum))
    owed = max(minimum, -int(-share * len(buckets) // 1))
    assert len(exposed) <= owed or exposed == inside(buckets, share_cut(share))


@given(BUCKETS, SHARES, MINIMA, SHARES)
def test_the_control_is_outside_of_every_ring_that_keeps_below_it(
    buckets: list[int], share: Fraction, minimum: int, control: Fraction
) -> None:
    ceiling = control_cut(buckets, control)
    kept = {place for place in buckets if place >= ceiling}
    assert not inside(buckets, opening_cut(buckets, share, minimum, ceiling)) & kept


@given(BUCKETS, SHARES)
def test_a_control_has_a_unit_where_the_stratum_has_four_and_none_where_it_has_fewer(
    buckets: list[int], share: Fraction
) -> None:
    kept = [place for place in buckets if place >= control_cut(buckets, share)]
    assert bool(kept) is (share > 0 and len(buckets) >= 4)


@given(BUCKETS, SHARES)
def test_the_last_ring_takes_everybody_the_control_included(buckets: list[int], control: Fraction) -> None:
    assert inside(buckets, opening_cut(buckets, Fraction(1), 0, EVERYBODY)) == set(buckets)
    assert control_cut(buckets, control) <= EVERYBODY


@given(BUCKETS, st.integers(0, 2**64 - 1), SHARES)
def test_a_new_device_evicts_nobody_from_an_open_ring(buckets: list[int], newcomer: int, share: Fraction) -> None:
    """The cut is written down when the ring opens; a bucket depends on nobody else."""
    cut = opening_cut(buckets, share, 1)
    assert inside(buckets, cut) <= inside([*buckets, newcomer], cut)


@given(UNITS, UNITS, UNITS, UNITS)
def test_a_bucket_is_stable_and_in_range(fleet: str, rollout: str, candidate: str, unit: str) -> None:
    text = salt(fleet, rollout, candidate)
    assert bucket(text, unit) == bucket(text, unit)
    assert 0 <= bucket(text, unit) < EVERYBODY


def test_another_candidate_meets_other_devices_first() -> None:
    devices = [f"gate-{number:03}" for number in range(500)]

    def first(candidate: str) -> set[str]:
        text = salt("harbour", "gauge-2026-11", candidate)
        return {device for device in devices if bucket(text, device) < share_cut(Fraction(1, 10))}

    one, other = first("1.1.0"), first("1.1.1")
    assert 25 < len(one) < 80
    assert len(one & other) < len(one) / 2


@given(st.integers(0, 2**64))
def test_a_cut_is_read_as_it_was_written(value: int) -> None:
    assert parse_cut(write_cut(Cut(value))) == value


@given(SHARES, SHARES)
def test_the_border_of_a_share_grows_with_it(one: Fraction, other: Fraction) -> None:
    assert (share_cut(one) <= share_cut(other)) is (one <= other)
