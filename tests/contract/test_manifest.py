"""Manifests keep their bytes, and bad ones are refused by name."""

from dataclasses import replace

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Manifest
from vectors import samples
from vectors.cases import edit
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("manifest"))
def test_manifest_is_written_as_it_was_read(vector: Vector) -> None:
    assert Manifest.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("manifest"))
def test_bad_manifest_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Manifest.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_a_device_fetches_what_it_has_not() -> None:
    graph, golden = (artifact.sha256 for artifact in samples.CANDIDATE.artifacts)
    assert samples.CANDIDATE.fetch_bytes(set()) == 48213 + 901
    assert samples.CANDIDATE.fetch_bytes({golden}) == 48213
    assert samples.CANDIDATE.fetch_bytes({graph, golden}) == 0


def test_artifact_is_found_by_name() -> None:
    assert samples.CANDIDATE.artifact("golden.json").size_bytes == 901


def test_another_attempt_is_another_manifest() -> None:
    again = replace(samples.CANDIDATE, attempt=samples.CANDIDATE.attempt + 1)
    assert sha256(again.encode()) != sha256(samples.CANDIDATE.encode())


def test_unknown_members_are_tolerated_so_that_older_agents_read_newer_manifests() -> None:
    newer = edit(samples.CANDIDATE.encode(), "notes", "of tomorrow")
    assert Manifest.decode(newer) == samples.CANDIDATE
