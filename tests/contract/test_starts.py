"""When a device of an open ring begins: golden instants that devices and the engine share."""

import pytest

from ringtide_contract.canonical import decode
from ringtide_contract.class_file import RingRange
from ringtide_contract.ids import parse_instant
from vectors.loader import Vector, good


@pytest.mark.parametrize("vector", good("start"))
def test_a_device_begins_at_the_golden_instant(vector: Vector) -> None:
    ring = RingRange.from_dict(decode(vector.content, limit=4096))
    begins = ring.next_start(int(vector.facts["turn"], 16), parse_instant(vector.facts["now"]))
    expected = vector.facts["begins"]
    assert begins == (None if expected is None else parse_instant(expected))
