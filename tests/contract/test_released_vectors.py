"""What released versions wrote is read by this one, and says the same: files in tests/vectors/released are never made anew."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ringtide_contract.class_file import ClassFile
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import sha256
from ringtide_contract.index import CatalogShard, IndexShard
from ringtide_contract.manifest import Manifest
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.report import Report
from ringtide_contract.statement import Publication
from ringtide_contract.trust_policy import TrustPolicy
from vectors.loader import FOLDER

RELEASED = FOLDER / "released"

READERS: Mapping[str, Callable[[bytes], object]] = {
    "catalog-shard": CatalogShard.decode,
    "class-file": ClassFile.decode,
    "head": TreeHead.decode,
    "index-shard": IndexShard.decode,
    "manifest": Manifest.decode,
    "quarantine": Quarantine.decode,
    "report": Report.decode,
    "statement": Publication.decode,
    "trust-policy": TrustPolicy.decode,
}


def documents() -> list[object]:
    found = []
    for path in sorted(RELEASED.glob("*/*.json")):
        for case in json.loads(path.read_text("utf-8"))["cases"]:
            name = f"{path.parent.name}-{path.stem}-{case['name']}"
            found.append(pytest.param(path, case["bytes"].encode(), case["sha256"], id=name))
    return found


def test_the_versions_released_so_far_are_there_and_whole() -> None:
    assert [path.name for path in sorted(RELEASED.iterdir())] == ["0.1.0"]
    for version in RELEASED.iterdir():
        assert {path.stem for path in version.glob("*.json")} == set(READERS)


@pytest.mark.parametrize(("path", "content", "digest"), documents())
def test_it_is_read_and_nothing_of_it_is_lost(path: Path, content: bytes, digest: str) -> None:
    assert sha256(content) == digest
    read = READERS[path.stem](content)
    if hasattr(read, "encode"):
        again = json.loads(read.encode())
        assert json.loads(content).items() <= again.items(), "members may be added, none may change or go"


@pytest.mark.parametrize(("path", "content", "digest"), documents())
def test_members_that_a_later_version_adds_are_passed_over(path: Path, content: bytes, digest: str) -> None:
    more = {**json.loads(content), "addedLater": {"why": [1, None, "x"]}}
    text = json.dumps(more, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert READERS[path.stem](text) == READERS[path.stem](content)
