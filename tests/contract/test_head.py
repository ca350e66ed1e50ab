"""Heads keep their bytes, and bad ones are refused by name."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.head import MAX_HEAD_BYTES, TreeHead
from ringtide_contract.ids import Digest
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("head"))
def test_head_is_written_as_it_was_read(vector: Vector) -> None:
    assert TreeHead.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("head"))
def test_bad_head_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        TreeHead.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_leaves_stand_index_first_then_catalog_then_quarantine() -> None:
    head = TreeHead(fleet="harbour", index_bits=3, catalog_bits=2, root=Digest("0" * 64))
    assert head.size == 8 + 4 + 1
    assert [head.catalog_leaf(prefix) for prefix in range(4)] == [8, 9, 10, 11]
    assert head.quarantine_leaf == 12


def test_head_beyond_its_limit_is_not_parsed() -> None:
    with pytest.raises(InputError, match="bytes where at most"):
        TreeHead.decode(b"\xff" * (MAX_HEAD_BYTES + 1))
