"""The door to onnxruntime: nothing but what the manifest says comes through."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from agent.serve.models import Shelf, endless, linear
from ringtide_agent.serve import onnx_session
from ringtide_agent.serve.onnx_session import Cancel, Session
from ringtide_agent.serve.opset import default_opset
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.manifest import TensorSpec


def test_a_provider_that_is_not_here_is_refused_and_not_replaced(shelf: Shelf) -> None:
    manifest = shelf.release(linear(), providers=("CUDAExecutionProvider", "CPUExecutionProvider")).manifest
    with pytest.raises(InputError, match="CUDAExecutionProvider"):
        Session(manifest, linear())


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_fallback_of_the_runtime_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "available_providers", lambda: frozenset({"CUDAExecutionProvider"}))
    manifest = shelf.release(linear(), providers=("CUDAExecutionProvider",)).manifest
    with pytest.raises(InputError, match=r"runs on \['CPUExecutionProvider'\]"):
        Session(manifest, linear())


def test_a_list_without_providers_is_refused(shelf: Shelf) -> None:
    with pytest.raises(InputError, match="execution providers none"):
        Session(shelf.release(linear(), providers=()).manifest, linear())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TensorSpec(name="z", datatype="FP32", shape=(-1, 64)), "has the inputs"),
        (TensorSpec(name="x", datatype="INT32", shape=(-1, 64)), "FP32 in the graph"),
        (TensorSpec(name="x", datatype="FP32", shape=(-1, 65)), "in the manifest"),
        (TensorSpec(name="x", datatype="FP32", shape=(64,)), "in the manifest"),
    ],
)
def test_a_graph_that_is_not_what_its_manifest_describes_is_refused(shelf: Shelf, spec: TensorSpec, words: str) -> None:
    manifest = replace(shelf.release(linear()).manifest, inputs=(spec,))
    with pytest.raises(InputError, match=words):
        Session(manifest, linear())


@pytest.mark.parametrize("location", ["{folder}/secret", "secret", "../secret"])
def test_a_graph_reads_no_file(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(b"\0" * 2560)
    model = onnx.load_model_from_string(linear())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location.format(folder=tmp_path)
    with pytest.raises(InputError, match="cannot load"):
        Session(shelf.release(linear()).manifest, model.SerializeToString())


def test_a_run_that_is_cancelled_ends(shelf: Shelf) -> None:
    cancel = Cancel()
    cancel.set()
    session = Session(shelf.release(endless()).manifest, endless())
    with pytest.raises(TransientError, match="terminate"):
        session.run({"x": np.zeros((1, 64), np.float32)}, cancel)


@pytest.mark.parametrize("opset", [13, 17])
def test_the_opset_is_read_from_the_bytes(opset: int) -> None:
    assert default_opset(linear(opset=opset)) == opset


def test_bytes_cut_anywhere_give_the_opset_or_a_refusal() -> None:
    graph = linear()
    for length in range(0, len(graph), 7):
        seen = 13
        with contextlib.suppress(InputError):
            seen = default_opset(graph[:length])
        assert seen == 13
