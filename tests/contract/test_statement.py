"""Statements keep their bytes, and bad ones are refused by name."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.statement import Publication
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("statement"))
def test_statement_is_written_as_it_was_read(vector: Vector) -> None:
    assert Publication.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("statement"))
def test_bad_statement_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Publication.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)
