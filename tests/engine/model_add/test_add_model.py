"""The workflow: names that YAML would take for something else, no runtime, and the demo's own releases."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.fleet_files import DIGITS, fleet_files
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Budget, TensorSpec
from ringtide_engine.adapters.artifact_stores import open_store
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.adapters.zstd_deltas import make_delta
from ringtide_engine.compile.sbom import GraphFacts
from ringtide_engine.demo import fleet
from ringtide_engine.demo.releases import release_files
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.workflows.add_model import (
    AddedRelease,
    NewRelease,
    NewVariant,
    SourceFile,
    add_model,
    suggested_tolerance_ppm,
)

NEW = NewRelease(
    model="digits",
    version="2.0.0",
    variants=(
        NewVariant(
            name="fp32", file=SourceFile(name="m.onnx", content=b"graph"), memory_bytes=2**20, tolerance_ppm=None
        ),
    ),
    golden=SourceFile(name="g.json", content=b"golden"),
    store="models",
    budgets={"edge-m": Budget(p95_latency_us=1, peak_memory_bytes=12345)},
    licence="MIT",
)


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: dict[Digest, bytes] = {}

    def has(self, digest: Digest) -> bool:
        return digest in self.kept

    def put(self, content: bytes) -> str:
        self.kept[sha256(content)] = content
        return f"memory:{sha256(content)}"

    def get(self, digest: Digest, limit: int) -> bytes:
        if digest not in self.kept:
            raise TransientError(f"{digest} is not here")
        return self.kept[digest]


class Files:
    """Model files that say what a test wants."""

    def __init__(self, *names: str, difference: float | None = 0.0) -> None:
        self.names = names or ("x",)
        self.difference = difference

    def graph(self, name: str, content: bytes) -> GraphFacts:
        inputs = tuple(TensorSpec(name=each, datatype="FP32", shape=(-1,)) for each in self.names)
        return GraphFacts(opset=13, ir_version=8, domains=("ai.onnx",), inputs=inputs, outputs=inputs)

    def check_golden(
        self, name: str, content: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> None:
        assert (name, content) == ("g.json", b"golden")

    def golden_difference(
        self, name: str, graph: bytes, golden: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> float | None:
        return self.difference


def added(new: NewRelease, models: Files, store: Store, files: Mapping[str, bytes] | None = None) -> AddedRelease:
    return add_model(
        new,
        fleet_files(3) if files is None else files,
        models=models,
        check_sbom=lambda _: None,
        open_store=lambda _: store,
        make_delta=make_delta,
    )


@pytest.mark.parametrize(
    "name",
    [
        "y",
        "null",
        "input:0",
        "model/in",
        'a "quoted" one',
        "a: b",
        "x, y}",
        "#",
        "é",
        "😀",
        "\t",
        "\u2028",
        "\x7f",
        "\x85",
        "1.5",
    ],
)
def test_a_name_in_a_graph_is_read_back_whatever_yaml_makes_of_it(name: str) -> None:
    release = added(NEW, Files(name), Store()).release
    assert [each.name for each in release.inputs] == [name]


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_name_that_yaml_cannot_carry_is_refused_before_anything_is_stored(name: str) -> None:
    store = Store()
    with pytest.raises(InputError):
        added(NEW, Files(name), store)
    assert store.kept == {}


@pytest.mark.parametrize("word", ["null", "1.0", "12", "1e3", "0x1f"])
def test_a_model_may_be_called_like_a_number(word: str) -> None:
    assert added(replace(NEW, model=word), Files(), Store()).release.model == word


@pytest.mark.parametrize("change", [{"model": "../up"}, {"version": "1/2"}, {"variants": ()}, {"model": "Digits"}])
def test_a_name_that_is_none_is_refused(change: dict[str, object]) -> None:
    store = Store()
    with pytest.raises(InputError):
        added(replace(NEW, **change), Files(), store)  # type: ignore[arg-type]
    assert store.kept == {}


def test_two_variants_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="a name of its own"):
        added(replace(NEW, variants=NEW.variants * 2), Files(), Store())


def test_without_a_runtime_the_tolerance_must_be_given() -> None:
    with pytest.raises(InputError, match="install onnxruntime to have it measured, or give --golden-tolerance fp32="):
        added(NEW, Files(difference=None), Store())
    given = replace(NEW, variants=(replace(NEW.variants[0], tolerance_ppm=7),))
    made = added(given, Files(difference=None), Store())
    assert (made.release.variants[0].golden_tolerance_ppm, made.differences) == (7, {"fp32": None})


def test_a_difference_beyond_any_tolerance_is_refused() -> None:
    with pytest.raises(FindingsError) as caught:
        added(NEW, Files(difference=900.0), Store())
    assert "goldenTolerance" in caught.value.findings[0].message


@pytest.mark.parametrize(
    ("difference", "ppm"),
    [(0.0, 10), (1e-7, 10), (7e-6, 11), (0.010107, 16_000), (0.0291238, 44_000), (1.0, 1_500_000)],
)
def test_a_suggested_tolerance_is_half_as_much_again_rounded_up(difference: float, ppm: int) -> None:
    assert suggested_tolerance_ppm(difference) == ppm


def test_a_release_is_not_added_to_a_folder_without_a_fleet() -> None:
    with pytest.raises(FindingsError):
        added(NEW, Files(), Store(), {})


def test_the_demo_adds_its_releases_within_its_own_fleet(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri(), {}, SystemClock().now)
    files = fleet.base_files(tmp_path.as_uri())
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        made = release_files(store, version)
        assert list(made) == [f"models/digits/{version}.yaml"]
        assert release_files(store, version) == made
        files |= made
    state = load_desired(files).state
    assert state is not None
    for (_, version), release in state.releases.items():
        assert {each.name: each.memory_bytes >> 20 for each in release.variants} == {"fp32": 512, "int8": 192}
        assert release.variants[0].file.sha256 == sha256((DIGITS / version / "fp32.onnx").read_bytes())
        assert release.sbom is not None
        assert store.has(release.sbom.sha256)
