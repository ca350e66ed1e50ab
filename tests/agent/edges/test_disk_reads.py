"""A disk that fails once is read again; what it never gives is damaged, and says nothing of a release."""

import errno
from pathlib import Path

import pytest

from ringtide_agent.adapters.disk_reads import twice
from ringtide_agent.serve.artifact_file import read_artifact
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import sha256


def failing(times: int, number: int) -> tuple[list[int], "object"]:
    tries: list[int] = []

    def read() -> str:
        tries.append(len(tries))
        if len(tries) <= times:
            raise OSError(number, "broken")
        return "content"

    return tries, read


def test_an_error_that_passes_costs_nothing() -> None:
    tries, read = failing(1, errno.EIO)
    assert twice(read) == "content"  # type: ignore[arg-type]
    assert len(tries) == 2


@pytest.mark.parametrize(("times", "number", "tried"), [(2, errno.EIO, 2), (1, errno.ENOENT, 1), (1, errno.ENOSPC, 1)])
def test_what_fails_twice_or_otherwise_is_told(times: int, number: int, tried: int) -> None:
    tries, read = failing(times, number)
    with pytest.raises(OSError, match="broken"):
        twice(read)  # type: ignore[arg-type]
    assert len(tries) == tried


def test_an_artifact_that_the_disk_does_not_give_is_not_held_against_the_release(tmp_path: Path) -> None:
    artifact = Artifact(name="golden.json", sha256=sha256(b"x"), size_bytes=1, uris=())
    with pytest.raises(TransientError, match="cannot be read"):
        read_artifact(artifact, {"golden.json": str(tmp_path)})
    with pytest.raises(InputError, match="is not on the disk"):
        read_artifact(artifact, {"golden.json": str(tmp_path / "gone")})
