"""Index and catalog shards keep their bytes, and bad ones are refused by name."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.index import CatalogShard, IndexRow, IndexShard, parse_class_id
from vectors import samples
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("index-shard"))
def test_index_shard_is_written_as_it_was_read(vector: Vector) -> None:
    assert IndexShard.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("index-shard"))
def test_bad_index_shard_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        IndexShard.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


@pytest.mark.parametrize("vector", good("catalog-shard"))
def test_catalog_shard_is_written_as_it_was_read(vector: Vector) -> None:
    assert CatalogShard.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("catalog-shard"))
def test_bad_catalog_shard_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        CatalogShard.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_a_plain_row_carries_neither_pins_nor_units() -> None:
    assert IndexRow(class_id=samples.ARM, state="active").to_dict() == {"class": samples.ARM, "state": "active"}


@pytest.mark.parametrize("text", ["", "811b3a37ba993da", "811b3a37ba993da10", "811B3A37BA993DA1", "811b3a37ba993da\n"])
def test_a_class_id_is_sixteen_lower_case_digits(text: str) -> None:
    with pytest.raises(InputError, match="is not a class id"):
        parse_class_id(text)
