"""Small ONNX models and the manifests that describe them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ringtide_agent.ports import ServedModel, ServedRelease
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Artifact, Budget, Golden, Manifest, Probation, Runtime, TensorSpec

MIB = 1024 * 1024
CPU = ("CPUExecutionProvider",)


def linear(seed: int = 0, *, shift: int = 0, opset: int = 13) -> bytes:
    """Softmax of 64 values onto 10 classes; `shift` moves every class by so many places."""
    weights = np.roll(np.random.default_rng(seed).normal(size=(64, 10)).astype(np.float32), shift, axis=1)
    return _graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=1)],
        [numpy_helper.from_array(weights, "w")],
        opset,
    )


def one_row_only(seed: int = 0) -> bytes:
    """Answer as `linear` does, and fail at a question of several rows."""
    weights = np.random.default_rng(seed).normal(size=(64, 10)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Reshape", ["z", "one"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"], axis=1),
    ]
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([1, 10], np.int64), "one")]
    return _graph(nodes, constants, 13)


def not_a_number() -> bytes:
    """Answer 0/0 for every class."""
    weights = numpy_helper.from_array(np.zeros((64, 10), np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Div", ["z", "z"], ["y"])]
    return _graph(nodes, [weights], 13)


def endless() -> bytes:
    """Count to 2^60 before answering."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["cond"], ["again"]), helper.make_node("Add", ["v", "v"], ["w2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("cond", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w2", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(2**60, np.int64), "trips"),
        numpy_helper.from_array(np.array(True), "true"),
        numpy_helper.from_array(np.zeros((64, 10), np.float32), "w"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Loop", ["trips", "true", "z"], ["y"], body=body),
    ]
    return _graph(nodes, constants, 13)


def wants_memory(floats: int) -> bytes:
    """Allocate and touch `floats` values of 4 bytes before answering."""
    constants = [
        numpy_helper.from_array(np.zeros((64, 10), np.float32), "w"),
        numpy_helper.from_array(np.array([floats], np.int64), "many"),
    ]
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Cast", ["s"], ["zero"], to=TensorProto.INT64),
        helper.make_node("Add", ["many", "zero"], ["length"]),
        helper.make_node("ConstantOfShape", ["length"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["t"], keepdims=0),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Add", ["z", "t"], ["y"]),
    ]
    return _graph(nodes, constants, 13)


def _graph(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], opset: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


def tensor(name: str, array: np.ndarray) -> dict[str, object]:
    """Write an FP32 tensor of the Open Inference Protocol."""
    return {"name": name, "datatype": "FP32", "shape": list(array.shape), "data": array.ravel().tolist()}


def softmax_golden(seed: int = 0, *, rows: int = 8) -> bytes:
    """Questions for `linear(seed)` with the answers that numpy gives."""
    weights = np.random.default_rng(seed).normal(size=(64, 10)).astype(np.float32)
    questions = np.random.default_rng(99).normal(size=(rows, 64)).astype(np.float32)
    scores = np.exp(questions @ weights - (questions @ weights).max(axis=1, keepdims=True))
    answers = scores / scores.sum(axis=1, keepdims=True)
    return json.dumps({"inputs": [tensor("x", questions)], "outputs": [tensor("y", answers)]}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of blobs."""

    folder: Path

    def put(self, content: bytes) -> str:
        """Store a blob; return its path."""
        path = self.folder / sha256(content)
        path.write_bytes(content)
        return str(path)

    def release(
        self,
        graph: bytes,
        *,
        release: str = "1.0.0",
        golden: bytes | None = None,
        tolerance_ppm: int = 1000,
        p95_latency_us: int = 1_000_000,
        peak_memory_bytes: int = 512 * MIB,
        providers: tuple[str, ...] = CPU,
        onnxruntime: str = ">=1.20",
        opset: int = 13,
        model: str = "digits",
    ) -> ServedRelease:
        """Make a release of a graph from 64 to 10 values."""
        contents = {"model.onnx": graph, **({} if golden is None else {"golden.json": golden})}
        artifacts = tuple(
            Artifact(name=name, sha256=sha256(content), size_bytes=len(content), uris=())
            for name, content in contents.items()
        )
        manifest = Manifest(
            model=model,
            release=release,
            variant="fp32",
            hardware_class="bench",
            graph="model.onnx",
            artifacts=artifacts,
            inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 64)),),
            outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 10)),),
            golden=None if golden is None else Golden(artifact="golden.json", tolerance_ppm=tolerance_ppm),
            budget=Budget(p95_latency_us=p95_latency_us, peak_memory_bytes=peak_memory_bytes),
            probation=Probation(
                seconds=60, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0
            ),
            runtime=Runtime(onnxruntime=onnxruntime, opset=opset, providers=providers, threads=1),
        )
        files = {name: self.put(content) for name, content in contents.items()}
        return ServedRelease(digest=sha256(manifest.encode()), manifest=manifest, files=files)


def alone(active: ServedRelease, stable: ServedRelease | None = None) -> ServedModel:
    """Serve a release under its own model name."""
    return ServedModel(model=active.manifest.model, active=active, stable=stable)


def with_file(release: ServedRelease, artifact: str, path: str) -> ServedRelease:
    """Put another file in the place of an artifact, as a worn disk does."""
    return replace(release, files={**release.files, artifact: path})
