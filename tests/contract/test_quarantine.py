"""Quarantine lists keep their bytes, and bad ones are refused by name."""

from dataclasses import replace

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.quarantine import Quarantine
from vectors import samples
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("quarantine"))
def test_quarantine_is_written_as_it_was_read(vector: Vector) -> None:
    assert Quarantine.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("quarantine"))
def test_bad_quarantine_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Quarantine.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_a_banned_release_is_banned_in_every_variant() -> None:
    for variant in ("fp32", "int8", "never-seen"):
        assert samples.QUARANTINE.entry_against(samples.manifest("gauge", "0.8.0", variant)) == samples.BANNED


def test_a_banned_graph_stays_banned_under_another_version() -> None:
    guilty = samples.manifest("gauge", "0.8.0")
    renamed = replace(guilty, release="0.8.1", artifacts=guilty.artifacts)
    assert samples.QUARANTINE.entry_against(renamed) == samples.BANNED


def test_a_banned_artifact_leaves_the_other_variants_of_its_release_free() -> None:
    assert samples.QUARANTINE.entry_against(samples.manifest("lamp", "1.9.0")) == samples.BANNED_GRAPH
    assert samples.QUARANTINE.entry_against(samples.manifest("lamp", "1.9.0", "int8")) is None


def test_the_same_version_of_another_model_is_free() -> None:
    assert samples.QUARANTINE.entry_against(samples.manifest("lamp", "0.8.0")) is None


def test_an_empty_list_bans_nothing() -> None:
    assert Quarantine(entries=()).entry_against(samples.STABLE) is None
