"""Class files keep their bytes, and bad ones are refused by name."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ringtide_contract.class_file import ClassFile, assign
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.membership import Cut, bucket
from vectors import samples
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("class-file"))
def test_class_file_is_written_as_it_was_read(vector: Vector) -> None:
    assert ClassFile.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("class-file"))
def test_bad_class_file_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        ClassFile.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def row(**changes: Mapping[str, str]) -> IndexRow:
    return replace(IndexRow(class_id=samples.ARM, state="active"), **changes)  # type: ignore[arg-type]


def test_a_pin_goes_before_the_rollout() -> None:
    pinned = assign(samples.GAUGE_ARM, row(pins={"gauge": sha256(b"pinned")}), "gate-04")
    assert (pinned.manifest, pinned.reason, pinned.ring) == (sha256(b"pinned"), "pin", None)


def test_a_pin_of_another_model_changes_nothing() -> None:
    assert assign(samples.GAUGE_ARM, row(pins={"lamp": sha256(b"pinned")}), "gate-04").reason.endswith("/canary")


def test_the_first_ring_whose_cut_lies_above_the_bucket_decides() -> None:
    place = bucket(samples.ROLLOUT.salt, "gate-01")
    for cut, exposed in ((place, False), (place + 1, True)):
        ranges = (replace(samples.CANARY, cut=Cut(cut)),)
        file = replace(samples.GAUGE_ARM, rollout=replace(samples.ROLLOUT, ranges=ranges))
        assignment = assign(file, row(), "gate-01")
        assert assignment.bucket == place
        assert (assignment.ring == ranges[0]) is exposed
        assert assignment.manifest == (samples.ROLLOUT.manifest if exposed else samples.GAUGE_ARM.stable)


def test_devices_of_one_site_are_in_one_ring_and_begin_one_after_the_other() -> None:
    first, second = (assign(samples.GAUGE_X86, row(units={"site": "pier-4"}), name) for name in ("yard-01", "yard-77"))
    assert replace(first, turn=second.turn) == second
    assert first.turn != second.turn
    assert first.reason == "rollout/gauge-2026-11/early"


def test_a_row_without_the_label_that_is_the_unit_is_refused() -> None:
    with pytest.raises(InputError, match="unit is the label 'site', which the index row does not carry"):
        assign(samples.GAUGE_X86, row(), "yard-01")


def test_no_rollout_and_no_stable_means_not_installed() -> None:
    assignment = assign(samples.LAMP_X86, row(), "yard-01")
    assert (assignment.manifest, assignment.reason, assignment.bucket) == (None, "stable", None)
