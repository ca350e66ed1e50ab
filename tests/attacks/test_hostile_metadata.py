"""TUF metadata of any shape are refused in words, or believed because they are true; nothing else leaves the TUF client."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.memory_snapshot import MemorySnapshot
from fakes.tuf_repository import TufRepository
from ringtide_agent.adapters.tuf_trust import MAX_METADATA_BYTES, TufTrust
from ringtide_contract.errors import TrustError
from ringtide_contract.keys import generate

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
NEXT_ROOT = "metadata/2.root.json"
CHANGES = 60
"""Of each file in one run; the seed is the file's name."""

ODD: tuple[Any, ...] = (
    None, True, -1, 2**63, 10**400, 1e308, float("inf"), float("nan"), "", "\ud800", "\x1b[2J", "\u202e", [], {}, [[]],
    {"": {}}, "x" * 1000, [1, 1], {"a": []}, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
)  # fmt: skip
WHOLE = (
    b"",
    b"\xff",
    b"[" * 60_000,
    b'{"a":' * 12_000,
    b'{"signatures":' + b"9" * 5000 + b"}",
    b"1e999",
    b'{"signed":1,"signed":{}}',
)


@pytest.fixture(scope="module")
def repository() -> TufRepository:
    made = TufRepository(fleet="acme", statement_keys=[generate().public_key()], now=NOW)
    made.publish(b"one", NOW)
    return made


def base(repository: TufRepository, path: str) -> dict[str, Any]:
    """Return a file's content; the next root, which there is not, is the first one with its number raised."""
    if path != NEXT_ROOT:
        return dict(json.loads(repository.files[path]))
    root = dict(json.loads(repository.trusted_root))
    root["signed"]["version"] = 2
    return root


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield everything that holds something, and where in it."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def changed(repository: TufRepository, path: str) -> Iterator[bytes]:
    yield from WHOLE
    dice = random.Random(path)
    for _ in range(CHANGES):
        value = base(repository, path)
        holder, key = dice.choice(list(places(value)))
        holder[key] = dice.choice(ODD)
        yield json.dumps(value).encode()
    crowd = base(repository, path)
    signed = crowd["signatures"][0]
    crowd["signatures"] = [{**signed, "keyid": f"{number:064x}"} for number in range(250)]
    yield json.dumps(crowd).encode()


@pytest.mark.parametrize(
    "path",
    [
        NEXT_ROOT,
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
        "metadata/1.targets.json",
        "metadata/2.release.json",
    ],
)
def test_metadata_of_any_shape_are_refused_in_words(repository: TufRepository, tmp_path: Path, path: str) -> None:
    said: list[str] = []
    for number, content in enumerate(changed(repository, path)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "root.json").write_bytes(repository.trusted_root)
        assert len(content) <= MAX_METADATA_BYTES
        try:
            _, statement = TufTrust(str(folder)).refresh(MemorySnapshot({**repository.files, path: content}), NOW)
        except TrustError as error:
            said.append(str(error))
        else:  # a signature more that nobody counts, say
            assert statement == b"one"
    assert len(said) > CHANGES // 2
    assert [words for words in said if not words.isprintable()] == [], "they go into a report, and onto a terminal"
