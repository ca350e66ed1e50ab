"""Deltas and chunk lists of a new release: made where they spare devices bytes, and left out with a reason otherwise."""

import random
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model_add.test_add_model import NEW, Files, Store, added
from fakes.fleet_files import fleet_files
from ringtide_contract.artifact import CHUNK_BYTES, PATCH_FROM, write_chunk_list
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.adapters.zstd_deltas import MOST_BYTES, make_delta
from ringtide_engine.compile.manifests import make_manifest
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.assignment import Choice
from ringtide_engine.workflows.add_model import NewRelease, NewVariant, SourceFile
from ringtide_engine.workflows.release_offers import MOST_SHARE

CHANCE = random.Random(5)
OLD = CHANCE.randbytes(CHUNK_BYTES + 100_000)
HEAD_ONLY = OLD[:-4000] + CHANCE.randbytes(4000)
RETRAINED = CHANCE.randbytes(len(OLD))


def release(version: str, graph: bytes) -> NewRelease:
    variant = NewVariant(
        name="fp32", file=SourceFile(name="m.onnx", content=graph), memory_bytes=2**20, tolerance_ppm=None
    )
    return replace(NEW, version=version, variants=(variant,))


def running(store: Store, graph: bytes = OLD) -> dict[str, bytes]:
    """Return a fleet whose placement runs 3.0.0 with this graph."""
    files = fleet_files(3)
    first = added(release("3.0.0", graph), Files(), store, files)
    placement = "placements/digits-everywhere.yaml"
    return {
        **files,
        first.release.path: first.text,
        placement: files[placement].replace(b'release: "1.0.0"', b'release: "3.0.0"'),
    }


def test_the_fleet_of_these_tests_runs_what_it_should() -> None:
    state = load_desired(running(Store())).state
    assert state is not None
    assert state.placements["digits-everywhere"].release == "3.0.0"


def test_a_small_change_is_offered_as_a_delta_that_the_manifest_carries() -> None:
    store = Store()
    files = running(store)
    made = added(release("4.0.0", HEAD_ONLY), Files(), store, files)
    (tried,) = made.deltas
    assert (tried.variant, tried.release, tried.reason) == ("fp32", "3.0.0", None)
    assert tried.size_bytes is not None
    assert tried.size_bytes < 8000
    (delta,) = made.release.variants[0].file.deltas
    assert (delta.base, delta.size_bytes) == (sha256(OLD), tried.size_bytes)
    assert len(store.kept[delta.sha256]) == delta.size_bytes
    state = load_desired({**files, made.release.path: made.text}).state
    assert state is not None
    read = state.releases["digits", "4.0.0"]
    manifest = make_manifest(state.fleet, Choice(release=read, variant=read.variants[0]), state.hardware["edge-m"])
    graph = manifest.artifact("model.onnx")
    assert [(each.base, each.method, each.sha256) for each in graph.deltas] == [(sha256(OLD), PATCH_FROM, delta.sha256)]
    assert graph.deltas[0].uris == (graph.uris[0].replace(graph.sha256, delta.sha256),)
    assert manifest.fetch_bytes({sha256(OLD), manifest.artifact("golden.json").sha256}) == delta.size_bytes


def test_retrained_weights_have_no_delta_and_say_why() -> None:
    store = Store()
    made = added(release("4.0.0", RETRAINED), Files(), store, running(store))
    (tried,) = made.deltas
    assert tried.size_bytes is not None
    assert tried.size_bytes > MOST_SHARE * len(RETRAINED)
    assert tried.reason == "more than 70% of the whole"
    assert made.release.variants[0].file.deltas == ()


def test_a_file_of_less_than_the_least_saving_is_not_compared() -> None:
    store = Store()
    assert added(release("4.0.0", HEAD_ONLY[:60_000]), Files(), store, running(store)).deltas == ()


def test_the_same_graph_in_another_release_needs_no_delta() -> None:
    store = Store()
    made = added(release("4.0.0", OLD), Files(), store, running(store))
    assert made.deltas == ()


def test_what_cannot_be_made_leaves_the_release_as_it_would_be_without() -> None:
    """The store may have lost what devices run; the release is added, and devices fetch the whole."""

    class Lost(Store):
        def get(self, digest: Digest, limit: int) -> bytes:
            raise TransientError("the store is gone")

    store, lost = Store(), Lost()
    files = running(store)
    made = added(release("4.0.0", HEAD_ONLY), Files(), lost, files)
    assert [(each.size_bytes, each.reason) for each in made.deltas] == [(None, "the store is gone")]
    assert made.release.variants[0].file.deltas == ()
    assert sha256(HEAD_ONLY) in lost.kept


def test_a_fleet_that_cannot_be_read_gets_its_release_and_hears_why_it_has_no_delta() -> None:
    store = Store()
    files = {**running(store), "placements/broken.yaml": b"kind: Placement\n"}
    made = added(release("4.0.0", HEAD_ONLY), Files(), store, files)
    assert [(each.variant, each.release, each.size_bytes) for each in made.deltas] == [("fp32", None, None)]
    assert made.deltas[0].reason == "the fleet repository has errors, see ringtide check"


def test_a_graph_of_several_pieces_has_its_chunk_list_in_the_store_and_a_small_one_has_none() -> None:
    store = Store()
    made = added(release("4.0.0", OLD), Files(), store)
    chunks = made.release.variants[0].file.chunks
    assert chunks is not None
    assert store.kept[chunks] == write_chunk_list(OLD)
    assert added(release("4.0.0", OLD[:CHUNK_BYTES]), Files(), Store()).release.variants[0].file.chunks is None


def test_two_makings_give_the_same_bytes() -> None:
    assert make_delta(OLD, HEAD_ONLY) == make_delta(OLD, HEAD_ONLY)


def test_a_base_of_fifty_megabytes_stays_in_sight_to_its_last_byte() -> None:
    """The slow levels of zstd, from 16 on, find half of it no more."""
    base = random.Random(8).randbytes(50_000_000)
    assert len(make_delta(base, base[:10] + b"x" + base[11:])) < 10_000


def test_files_that_would_fill_the_memory_are_refused() -> None:
    class Vast(bytes):
        def __len__(self) -> int:
            return MOST_BYTES + 1

    with pytest.raises(InputError, match="to 512 MiB"):
        make_delta(OLD, Vast())


@pytest.mark.parametrize("pair", [(OLD, HEAD_ONLY), (OLD, OLD), (OLD, b""), (OLD[:8], OLD)])
def test_the_command_zstd_applies_what_is_made_here(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("the Debian package zstd is not installed: nobody else to read the format")
    old, new = pair
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "delta").write_bytes(make_delta(old, new))
    command = ["zstd", "-d", "-q", "--long=31", "--patch-from=old", "delta", "-o", "new"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "new").read_bytes() == new


def test_a_placement_of_another_model_gives_no_base() -> None:
    store = Store()
    files: Mapping[str, bytes] = running(store)
    assert added(replace(release("4.0.0", HEAD_ONLY), model="other"), Files(), store, files).deltas == ()
