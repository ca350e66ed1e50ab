"""ONNX files and golden sets as their makers hand them over: what they say, and how far apart they are.

Devices make the same checks; making them before the release is written saves a rollout. The engine never imports the
agent, so this is written a second time.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ringtide_contract import fields
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import Datatype, TensorSpec
from ringtide_engine.adapters.onnx_run import first_line, run_graph
from ringtide_engine.compile.sbom import GraphFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOMAINS = ("ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Operator domains that a stock onnxruntime has."""

_DATATYPES: Mapping[int, tuple[Datatype, str]] = {
    1: ("FP32", "float32"),
    2: ("UINT8", "uint8"),
    3: ("INT8", "int8"),
    4: ("UINT16", "uint16"),
    5: ("INT16", "int16"),
    6: ("INT32", "int32"),
    7: ("INT64", "int64"),
    8: ("BYTES", "object"),
    9: ("BOOL", "bool"),
    10: ("FP16", "float16"),
    11: ("FP64", "float64"),
    12: ("UINT32", "uint32"),
    13: ("UINT64", "uint64"),
}
"""`TensorProto.DataType` (onnx.proto) to the datatype of the Open Inference Protocol and to numpy's."""

_NUMPY = dict(_DATATYPES.values())

_JSON_TYPES: Mapping[str, frozenset[type]] = {
    "f": frozenset({int, float}),
    "b": frozenset({bool}),
    "O": frozenset({str}),
}
"""Kind of a numpy type to what JSON decodes to; the rest are integers."""

_SAME = 1e-6
"""Rows that differ by no more are one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Golden:
    """Questions and answers."""

    feeds: "Mapping[str, NDArray[Any]]"
    expected: "Mapping[str, NDArray[Any]]"


class OnnxFiles:
    """Reads with `onnx`, measures with `onnxruntime` where that is installed."""

    def graph(self, name: str, content: bytes) -> GraphFacts:
        """Return what an ONNX file says of itself.

        Args:
            name: What to call the file in messages.
            content: The file.

        Raises:
            InputError: No valid ONNX file, one that needs other files, or nothing that devices can run.
        """
        try:
            import onnx
        except ImportError as error:
            raise InputError("reading ONNX files needs onnx: pip install 'ringtide[engine]'") from error
        try:
            model = onnx.ModelProto.FromString(content)
        except Exception as error:
            raise InputError(f"{name} is not an ONNX file; export the model to ONNX") from error
        if not model.ir_version or not model.opset_import or not model.graph.output:
            raise InputError(f"{name} is not an ONNX file: it holds no graph; export the model to ONNX")
        opsets = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
        if not opsets:
            raise InputError(f"{name} imports no opset of ai.onnx, which devices ask for; export it again")
        domains = _domains(name, model)
        defaults = {each.name for each in model.graph.initializer}
        defaults |= {each.values.name for each in model.graph.sparse_initializer}
        inputs = tuple(_tensor(name, "input", each) for each in model.graph.input if each.name not in defaults)
        if not inputs:
            raise InputError(f"{name} takes no input, so it always gives the same; export it with its inputs")
        outputs = tuple(_tensor(name, "output", each) for each in model.graph.output)
        try:
            onnx.checker.check_model(content)
        except Exception as error:
            raise InputError(f"{name} is not valid ONNX: {first_line(error)}; export it again") from error
        return GraphFacts(
            opset=max(opsets), ir_version=model.ir_version, domains=domains, inputs=inputs, outputs=outputs
        )

    def check_golden(
        self, name: str, content: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> None:
        """Check that a golden set asks and answers what the graph takes and gives.

        Raises:
            InputError: It does not.
        """
        _read_golden(name, content, inputs, outputs)

    def golden_difference(
        self, name: str, graph: bytes, golden: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> float | None:
        """Run a checked golden set and return the largest absolute difference of an output; None without onnxruntime.

        Args:
            name: What to call the ONNX file in messages.
            graph: The ONNX file.
            golden: The golden set.
            inputs: What the graph takes.
            outputs: What it gives.

        Raises:
            InputError: The graph does not run, or its answers are such that every device would refuse them.
        """
        questions = _read_golden("the golden set", golden, inputs, outputs)
        names = [each.name for each in outputs]
        answers = run_graph(name, graph, questions.feeds, names, what="the golden set")
        if answers is None:
            return None
        pairs = zip(names, answers, strict=True)
        return max(_difference(name, each, questions.expected[each], answer) for each, answer in pairs)


def _domains(name: str, model: Any) -> tuple[str, ...]:
    """Return the operator domains of a model, refusing what lies outside the file or outside onnxruntime.

    Tensors and operators are looked for everywhere, also in functions, branches and loops.
    """
    found: set[str] = set()
    for each in _messages(model):
        kind = each.DESCRIPTOR.name
        if kind == "TensorProto" and (each.data_location == each.EXTERNAL or each.external_data):
            raise InputError(
                f"{name} keeps the weights {each.name!r} in another file; put all into one: "
                "onnx.save_model(onnx.load(path), path, save_as_external_data=False)"
            )
        if kind not in ("NodeProto", "FunctionProto"):
            continue
        domain, operator = each.domain or "ai.onnx", each.op_type if kind == "NodeProto" else each.name
        if domain not in DOMAINS:
            fix = "inline it with onnx.inliner.inline_local_functions" if model.functions else "export without it"
            raise InputError(
                f"{name} uses {operator!r} of the domain {domain!r}, which onnxruntime does not have "
                f"(it has {', '.join(DOMAINS)}); {fix}"
            )
        if operator == "EPContext":
            raise InputError(f"{name} is compiled for one kind of device (EPContext); give the file it was made from")
        found.add(domain)
    return tuple(sorted(found))


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and every message in it, without recursion."""
    waiting = [message]
    while waiting:
        each = waiting.pop()
        yield each
        for field, value in each.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _tensor(name: str, what: str, value: Any) -> TensorSpec:
    if value.type.WhichOneof("value") != "tensor_type":
        raise InputError(
            f"{name}: the {what} {value.name!r} is no tensor; export it with plain tensors (scikit-learn: zipmap=False)"
        )
    tensor = value.type.tensor_type
    if tensor.elem_type not in _DATATYPES:
        raise InputError(
            f"{name}: the {what} {value.name!r} has a datatype that the Open Inference Protocol lacks; "
            "cast it within the graph"
        )
    if not tensor.HasField("shape"):
        raise InputError(
            f"{name}: the {what} {value.name!r} has no shape; run onnx.shape_inference.infer_shapes, or write it "
            "(a dimension may stay free)"
        )
    shape = tuple(each.dim_value if each.HasField("dim_value") else -1 for each in tensor.shape.dim)
    if min(shape, default=1) < -1:
        raise InputError(f"{name}: the {what} {value.name!r} has the shape {list(shape)}; export it again")
    return TensorSpec(name=value.name, datatype=_DATATYPES[tensor.elem_type][0], shape=shape)


def _read_golden(name: str, content: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> _Golden:
    try:
        data = fields.members(json.loads(content.decode("utf-8"), parse_constant=_refuse_constant), "the document")
        return _Golden(feeds=_tensors(data, "inputs", inputs), expected=_tensors(data, "outputs", outputs))
    except (InputError, ValueError, RecursionError) as error:
        raise InputError(f"{name} is not a golden set of this graph: {error}") from error


def _tensors(data: Mapping[str, Any], key: str, specs: Sequence[TensorSpec]) -> "dict[str, NDArray[Any]]":
    given = fields.items(data, key, lambda item: fields.members(item, "a tensor"))
    names = [fields.text(each, "name") for each in given]
    if sorted(names) != sorted(each.name for each in specs):
        raise InputError(f"its {key} are {sorted(names)}, the graph's are {sorted(each.name for each in specs)}")
    return {each.name: _array(given[names.index(each.name)], each) for each in specs}


def _array(data: Mapping[str, Any], spec: TensorSpec) -> "NDArray[Any]":
    import numpy as np

    if data.get("datatype") != spec.datatype:
        raise InputError(f"{spec.name!r} is {data.get('datatype')!r}, the graph has {spec.datatype}")
    shape = fields.items(data, "shape", fields.whole)
    fits = len(shape) == len(spec.shape) and all(
        size == wanted or (wanted == -1 and size > 0) for size, wanted in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{spec.name!r} has the shape {list(shape)}, the graph has {list(spec.shape)}")
    values = data.get("data")
    if not isinstance(values, list):
        raise InputError(f"{spec.name!r} has no list `data`")
    loose = np.array(values, dtype=object)  # flat, or nested as the shape says
    if loose.shape not in (shape, (math.prod(shape),)):
        raise InputError(f"{spec.name!r} has values of the shape {list(loose.shape)}, it says {list(shape)}")
    dtype = np.dtype(_NUMPY[spec.datatype])
    wrong = {type(each) for each in loose.flat} - _JSON_TYPES.get(dtype.kind, frozenset({int}))
    if wrong:
        raise InputError(
            f"{spec.name!r} is {spec.datatype} and has values such as {min(each.__name__ for each in wrong)}"
        )
    try:
        with np.errstate(over="ignore"):
            array = loose.astype(dtype).reshape(shape)
    except OverflowError as error:
        raise InputError(f"{spec.name!r} has a value out of the range of {spec.datatype}") from error
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{spec.name!r} has a value out of the range of {spec.datatype}")
    return cast("NDArray[Any]", array)


def _difference(name: str, output: str, wanted: "NDArray[Any]", answer: Any) -> float:
    import numpy as np

    got = np.asarray(answer)
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        raise InputError(
            f"{name} answers the golden set with {got.dtype} {list(got.shape)} in {output!r}, which has "
            f"{wanted.dtype} {list(wanted.shape)}; make the golden set again"
        )
    if got.dtype.kind == "f" and not np.isfinite(got).all():
        raise InputError(f"{name} answers the golden set with NaN or an infinity in {output!r}; mend the model")
    if got.dtype.kind == "O":
        return 0.0 if np.array_equal(wanted, got) else 1.0
    if not got.size:
        return 0.0
    wide, got = wanted.astype(np.float64), got.astype(np.float64)  # unsigned integers would wrap around
    if _collapsed(got) and not _collapsed(wide):
        raise InputError(f"{name} gives the same {output!r} to every golden input; mend the model")
    return float(np.abs(wide - got).max())


def _collapsed(rows: "NDArray[np.float64]") -> bool:
    """Say whether several rows are one and the same answer."""
    if rows.ndim == 0 or len(rows) < 2:
        return False
    return bool((rows.max(axis=0) - rows.min(axis=0)).max() <= _SAME)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON value")
