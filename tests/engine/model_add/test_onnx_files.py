"""What is refused of ONNX files and golden sets, by name, with the fix."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import pytest
from onnx import TensorProto, helper, numpy_helper

from fakes.fleet_files import DIGITS
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import TensorSpec
from ringtide_engine.adapters.onnx_files import OnnxFiles

FILES = OnnxFiles()
FP32 = (DIGITS / "1.1.0/fp32.onnx").read_bytes()
INT8 = (DIGITS / "1.1.0/int8.onnx").read_bytes()
GOLDEN = (DIGITS / "1.1.0/golden.json").read_bytes()
INPUTS = (TensorSpec(name="image", datatype="FP32", shape=(-1, 64)),)
OUTPUTS = (TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10)),)


def graph_of(*nodes: Any, elem: int = TensorProto.FLOAT, shape: Any = ("n", 2), **more: Any) -> onnx.ModelProto:
    """Return a small model from x to y."""
    made = helper.make_graph(
        list(nodes) or [helper.make_node("Identity", ["x"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_tensor_value_info("y", elem, shape)],
        initializer=more.pop("initializer", ()),
    )
    opsets = [helper.make_opsetid("", 13), *(helper.make_opsetid(each, 1) for each in more.pop("domains", ()))]
    return helper.make_model(made, opset_imports=opsets, ir_version=8, **more)


def refusal(content: bytes) -> str:
    with pytest.raises(InputError, match=r"^m\.onnx") as caught:
        FILES.graph("m.onnx", content)
    return str(caught.value)


@pytest.mark.parametrize("content", [FP32, INT8])
def test_a_real_file_says_what_it_takes_and_gives(content: bytes) -> None:
    facts = FILES.graph("m.onnx", content)
    assert (facts.opset, facts.ir_version, facts.domains) == (13, 8, ("ai.onnx",))
    assert (facts.inputs, facts.outputs) == (INPUTS, OUTPUTS)


def test_an_input_with_a_default_is_none() -> None:
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    model = graph_of(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[weight])
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]))
    assert [each.name for each in FILES.graph("m.onnx", model.SerializeToString()).inputs] == ["x"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b'{"json": true}', FP32[:5000], b"\x08\x08"])
def test_what_is_not_onnx_is_refused(content: bytes) -> None:
    assert "is not an ONNX file" in refusal(content)


def test_an_invalid_graph_is_refused() -> None:
    said = refusal(graph_of(helper.make_node("Relu", ["missing"], ["y"])).SerializeToString())
    assert "is not valid ONNX" in said
    assert "missing" in said


def _outside(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../weights.bin")
    return tensor


def _branch() -> onnx.ModelProto:
    inner = [helper.make_node("Constant", [], ["c"], value=_outside("deep"))]
    outputs = [helper.make_tensor_value_info("c", TensorProto.FLOAT, [2])]
    branch = helper.make_graph(inner, "branch", [], outputs)
    return graph_of(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def _sparse() -> onnx.ModelProto:
    model = graph_of()
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(_outside("deep"))
    return model


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: graph_of(initializer=[_outside("deep")]), id="initializer"),
        pytest.param(lambda: graph_of(helper.make_node("Constant", [], ["y"], value=_outside("deep"))), id="constant"),
        pytest.param(_branch, id="within a branch"),
        pytest.param(_sparse, id="sparse"),
    ],
)
def test_weights_in_another_file_are_refused_wherever_they_hide(make: Callable[[], onnx.ModelProto]) -> None:
    said = refusal(make().SerializeToString())
    assert "keeps the weights 'deep' in another file" in said
    assert "save_as_external_data=False" in said


def test_an_operator_that_onnxruntime_does_not_have_is_refused() -> None:
    node = helper.make_node("Magic", ["x"], ["y"], domain="com.example")
    said = refusal(graph_of(node, domains=["com.example"]).SerializeToString())
    assert "uses 'Magic' of the domain 'com.example'" in said
    assert "ai.onnx, ai.onnx.ml, com.microsoft" in said


def test_a_function_of_an_own_domain_is_refused_with_the_way_to_inline_it() -> None:
    body = [helper.make_node("Identity", ["a"], ["b"])]
    function = helper.make_function("com.example", "Magic", ["a"], ["b"], body, [helper.make_opsetid("", 13)])
    node = helper.make_node("Magic", ["x"], ["y"], domain="com.example")
    model = graph_of(node, domains=["com.example"], functions=[function])
    assert "onnx.inliner.inline_local_functions" in refusal(model.SerializeToString())
    inlined = onnx.inliner.inline_local_functions(model)
    assert FILES.graph("m.onnx", inlined.SerializeToString()).domains == ("ai.onnx",)


def test_a_graph_compiled_for_one_device_is_refused() -> None:
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft")
    assert "EPContext" in refusal(graph_of(node, domains=["com.microsoft"]).SerializeToString())


def test_a_datatype_that_the_protocol_lacks_is_refused() -> None:
    assert "cast it within the graph" in refusal(graph_of(elem=TensorProto.BFLOAT16).SerializeToString())


def test_a_sequence_is_refused() -> None:
    model = graph_of(helper.make_node("SequenceConstruct", ["x"], ["y"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
    assert "the output 'y' is no tensor" in refusal(model.SerializeToString())


def test_a_tensor_without_a_shape_is_refused() -> None:
    assert "infer_shapes" in refusal(graph_of(shape=None).SerializeToString())


def test_a_graph_without_inputs_is_refused() -> None:
    model = graph_of(helper.make_node("Constant", [], ["y"], value_floats=[1.0, 2.0]), shape=[2])
    del model.graph.input[:]
    assert "takes no input" in refusal(model.SerializeToString())


def _golden(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(GOLDEN)
    change(document)
    return json.dumps(document).encode()


def _nested(golden: dict[str, Any]) -> None:
    for tensor in (golden["inputs"][0], golden["outputs"][0]):
        tensor["data"] = np.array(tensor["data"]).reshape(tensor["shape"]).tolist()


def test_a_golden_set_may_be_flat_or_nested() -> None:
    FILES.check_golden("g.json", GOLDEN, INPUTS, OUTPUTS)
    FILES.check_golden("g.json", _golden(_nested), INPUTS, OUTPUTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", "can't decode"),
        (b"[]", "the document is not an object"),
        (b"[" * 100_000, "recursion"),
        (_golden(lambda g: g["inputs"][0].update(shape=[64, 8, 8])), "'image' has the shape [64, 8, 8], the graph has [-1, 64]"),
        (_golden(lambda g: g["inputs"][0].update(shape=[63, 64])), "has values of the shape [4096], it says [63, 64]"),
        (_golden(lambda g: g["inputs"][0].update(name="picture")), "its inputs are ['picture'], the graph's are ['image']"),
        (_golden(lambda g: g.pop("outputs")), "its outputs are []"),
        (_golden(lambda g: g["outputs"][0].update(datatype="FP64")), "'probabilities' is 'FP64', the graph has FP32"),
        (_golden(lambda g: g["inputs"][0]["data"].__setitem__(0, "1")), "is FP32 and has values such as str"),
        (_golden(lambda g: g["inputs"][0]["data"].__setitem__(0, True)), "is FP32 and has values such as bool"),
        (_golden(lambda g: g["inputs"][0]["data"].__setitem__(0, 1e39)), "out of the range of FP32"),
        (_golden(lambda g: g["inputs"][0]["data"].__setitem__(0, float("nan"))), "NaN is not a JSON value"),
        (_golden(lambda g: g["inputs"][0].pop("data")), "has no list `data`"),
    ],
)  # fmt: skip
def test_a_golden_set_that_devices_would_refuse_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=r"^g\.json is not a golden set of this graph: ") as caught:
        FILES.check_golden("g.json", content, INPUTS, OUTPUTS)
    assert said in str(caught.value)


def test_an_integer_out_of_range_is_refused() -> None:
    specs = (TensorSpec(name="x", datatype="UINT8", shape=(2,)),)
    content = json.dumps({"inputs": [{"name": "x", "datatype": "UINT8", "shape": [2], "data": [1, 300]}]})
    with pytest.raises(InputError, match="out of the range of UINT8"):
        FILES.check_golden("g.json", content.encode(), specs, ())


def difference(model: onnx.ModelProto, x: list[list[float]], y: list[list[float]]) -> float | None:
    tensor = {"datatype": "FP32", "shape": [len(x), 2]}
    golden = {"inputs": [{"name": "x", **tensor, "data": x}], "outputs": [{"name": "y", **tensor, "data": y}]}
    facts = FILES.graph("m.onnx", model.SerializeToString())
    return FILES.golden_difference(
        "m.onnx", model.SerializeToString(), json.dumps(golden).encode(), facts.inputs, facts.outputs
    )


def test_the_difference_is_that_of_the_worst_element() -> None:
    assert difference(graph_of(), [[1, 2], [3, 4]], [[1, 2.25], [3.5, 4]]) == 0.5


def test_answers_that_no_device_accepts_are_refused() -> None:
    questions = [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(InputError, match="NaN or an infinity in 'y'"):
        difference(graph_of(helper.make_node("Div", ["x", "z"], ["y"]), initializer=[_zeros()]), questions, questions)
    with pytest.raises(InputError, match="the same 'y' to every golden input"):
        difference(graph_of(helper.make_node("Mul", ["x", "z"], ["y"]), initializer=[_zeros()]), questions, questions)


def _zeros() -> TensorProto:
    return numpy_helper.from_array(np.zeros(2, np.float32), "z")


def test_a_graph_that_does_not_load_is_named() -> None:
    node = helper.make_node("NoSuchOperator", ["x"], ["y"], domain="com.microsoft")
    with pytest.raises(InputError, match=r"^m\.onnx does not run in onnxruntime "):
        difference(graph_of(node, domains=["com.microsoft"]), [[1, 2]], [[1, 2]])


def test_without_onnxruntime_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert difference(graph_of(), [[1, 2]], [[1, 2]]) is None


def test_a_graph_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringtide_engine.adapters.onnx_run.INFERENCE_LIMIT_S", 0.2)
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["again"]), helper.make_node("Sin", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, None),
        ],
    )
    trips = numpy_helper.from_array(np.array(2**60, np.int64), "trips")
    model = graph_of(helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body), initializer=[trips])
    with pytest.raises(InputError, match="does not run the golden set within"):
        difference(model, [[1, 2]], [[1, 2]])


def test_reading_needs_onnx_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'ringtide\[engine\]'"):
        FILES.graph("m.onnx", FP32)


def test_the_demo_says_the_same_of_its_files() -> None:
    figures = json.loads((DIGITS / "figures.json").read_text())["releases"]["1.1.0"]["variants"]
    for name, each in figures.items():
        content = Path(DIGITS, "1.1.0", f"{name}.onnx").read_bytes()
        found = FILES.golden_difference("m.onnx", content, GOLDEN, INPUTS, OUTPUTS)
        assert found == pytest.approx(each["golden_max_abs_diff_to_fp32"], abs=1e-5)
