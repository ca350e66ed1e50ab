"""Laws of every document: whatever is changed in it, it is read or refused with InputError, never with another error."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringtide_contract.artifact import Artifact
from ringtide_contract.canonical import decode, encode
from ringtide_contract.class_file import ClassFile
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import DeviceId
from ringtide_contract.index import CatalogShard, IndexShard
from ringtide_contract.manifest import Manifest
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.report import Counters, Report, open_report
from ringtide_contract.sketch import LatencySketch
from ringtide_contract.statement import Publication
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_contract.windows import Window
from vectors import samples
from vectors.loader import Vector, good

READERS: dict[str, Callable[[bytes], Any]] = {
    "head": TreeHead.decode,
    "index-shard": IndexShard.decode,
    "catalog-shard": CatalogShard.decode,
    "class-file": ClassFile.decode,
    "manifest": Manifest.decode,
    "artifact": lambda content: Artifact.from_dict(decode(content, limit=65536)),
    "quarantine": Quarantine.decode,
    "statement": Publication.decode,
    "trust-policy": TrustPolicy.decode,
    "report": Report.decode,
    "latency-sketch": lambda content: LatencySketch.from_dict(decode(content, limit=65536)),
    "window": lambda content: Window.from_dict(decode(content, limit=65536)),
}
EVERY_VECTOR = [pytest.param(name, case.values[0], id=f"{name}-{case.id}") for name in READERS for case in good(name)]
HOSTILE: list[Any] = [
    None, True, -1, 2**53 - 1, "", "x" * 400, "../..", "a\x00b", "٣", "２０２６-11-23T09:00:00Z", "-----BEGIN PUBLIC KEY-----",
    [], [None], [[]], {}, {"a": None}, {"": {}}, {"9" * 4400: 1},
]  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every member and item of a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


@pytest.mark.parametrize(("name", "vector"), EVERY_VECTOR)
def test_any_member_replaced_by_anything_is_read_or_refused(name: str, vector: Vector) -> None:
    whole = json.loads(vector.content)
    read = READERS[name]
    for path in places(whole):
        for value in HOSTILE:
            document = json.loads(vector.content)
            place = document
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            content = json.dumps(document).encode()
            try:
                understood = read(content)
            except InputError:
                continue
            again = understood.encode() if hasattr(understood, "encode") else encode(understood.to_dict())
            assert read(again) == understood, f"{path} = {value!r} is written otherwise than it is read"


@pytest.mark.parametrize(("name", "vector"), EVERY_VECTOR)
def test_any_member_taken_out_is_read_or_refused(name: str, vector: Vector) -> None:
    for path in places(json.loads(vector.content)):
        document = json.loads(vector.content)
        place = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        try:
            READERS[name](json.dumps(document).encode())
        except InputError:
            continue


@pytest.mark.parametrize(("name", "vector"), EVERY_VECTOR)
def test_an_unknown_member_changes_nothing(name: str, vector: Vector) -> None:
    """Older readers go on when a newer writer adds a member at the top."""
    document = json.loads(vector.content)
    document["ofTomorrow"] = {"a": [1]}
    assert READERS[name](json.dumps(document).encode()) == READERS[name](vector.content)


@given(st.sampled_from(EVERY_VECTOR), st.data())
def test_any_byte_changed_is_read_or_refused(case: Any, data: st.DataObject) -> None:
    name, vector = case.values
    content = bytearray(vector.content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        READERS[name](bytes(content))
    except InputError:
        return


@given(st.binary(max_size=200))
@example(b"{}")
@example(b"[]")
def test_a_sealed_report_of_any_bytes_is_distrusted(content: bytes) -> None:
    with pytest.raises(TrustError):
        open_report(content, samples.DEVICE_KEY.public_key(), fleet="harbour", device=DeviceId("gate-04"))


COUNTS = st.integers(0, 2**53 - 1)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_counters_are_read_exactly_when_no_part_exceeds_its_whole(
    requests: int, failures: int, over_budget: int, compared: int, agreed: int
) -> None:
    counters = Counters(
        manifest=samples.ROLLOUT.manifest,
        session="c41d",
        requests=requests,
        failures=failures,
        over_budget=over_budget,
        compared=compared,
        agreed=agreed,
        crashes=0,
        peak_memory_bytes=0,
        latency=samples.SKETCH,
    )
    if failures <= requests and over_budget <= requests and agreed <= compared:
        assert Counters.from_dict(counters.to_dict()) == counters
    else:
        with pytest.raises(InputError, match="exceeds"):
            Counters.from_dict(counters.to_dict())


@given(st.data())
def test_counters_whose_parts_fit_keep_every_figure(data: st.DataObject) -> None:
    requests, compared = data.draw(COUNTS), data.draw(COUNTS)
    counters = Counters(
        manifest=samples.ROLLOUT.manifest,
        session=data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=10)),
        requests=requests,
        failures=data.draw(st.integers(0, requests)),
        over_budget=data.draw(st.integers(0, requests)),
        compared=compared,
        agreed=data.draw(st.integers(0, compared)),
        crashes=data.draw(COUNTS),
        peak_memory_bytes=data.draw(COUNTS),
        latency=LatencySketch(counts=data.draw(st.dictionaries(st.integers(0, 640), COUNTS, max_size=5))),
    )
    assert Counters.from_dict(decode(encode(counters.to_dict()), limit=65536)) == counters
