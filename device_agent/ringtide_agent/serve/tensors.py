"""Open Inference Protocol v2 tensors in JSON, read strictly against the manifest and written back."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringtide_contract import fields
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import TensorSpec

Tensor = NDArray[Any]

MAX_MARKS = 1 << 18
"""Objects, arrays and strings of a request. Each costs Python some sixty bytes and its collector a visit: sixteen
megabytes of `{}` were a quarter of a gigabyte, and half a minute in which nobody else was answered."""

LARGE_BYTES = 1 << 20
"""Larger bodies are decoded one at a time: numbers take ten times the memory of their text while they are."""

MAX_RANK = 16
"""numpy and onnxruntime allow more; no model has needed it, and every dimension costs a pass over the data."""

_large = Lock()

_TYPES: Mapping[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}

_JSON_TYPES: Mapping[str, set[type]] = {"f": {int, float}, "b": {bool}, "O": {str}}
"""Kind of a numpy type to what JSON decodes to; the rest are integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """One inference request."""

    id: str | None
    """What the caller calls it; given back in the answer."""
    feeds: Mapping[str, Tensor]
    """Input name to tensor."""
    wanted: tuple[str, ...]
    """Outputs that the caller asks for; empty asks for all."""


def parse_json(body: bytes) -> object:
    """Decode JSON as RFC 8259 has it: UTF-8, no NaN, no Infinity.

    Raises:
        InputError: Not JSON.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {error}") from error


def decode_request(body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> InferRequest:
    """Read the body of an infer request.

    Raises:
        InputError: Not JSON, or not what the manifest's inputs and outputs allow.
    """
    if body.count(b"{") + body.count(b"[") + body.count(b'"') // 2 > MAX_MARKS:
        raise InputError(f"more than {MAX_MARKS} objects, arrays and strings; write the data of a tensor flat")
    with _large if len(body) > LARGE_BYTES else nullcontext():
        return _decode_request(body, inputs, outputs)


def _decode_request(body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> InferRequest:
    data = fields.members(parse_json(body), "the body")
    wanted = fields.items(data, "outputs", lambda item: fields.text(fields.members(item, "an output"), "name"))
    unknown = sorted(set(wanted) - {spec.name for spec in outputs})
    if unknown:
        raise InputError(f"the model has no output {unknown[0][:60]!r}: it has {[spec.name for spec in outputs]}")
    feeds = decode_tensors(data.get("inputs"), inputs)
    return InferRequest(id=fields.optional_text(data, "id"), feeds=feeds, wanted=wanted)


def decode_tensors(value: object, specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
    """Read an array of tensors, which must be exactly those of `specs`.

    Raises:
        InputError: A tensor is missing, unknown, doubled, or of another datatype or shape.
    """
    if not isinstance(value, list):
        raise InputError("'inputs' is not an array of tensors")
    by_name = {spec.name: spec for spec in specs}
    tensors: dict[str, Tensor] = {}
    for item in value:
        data = fields.members(item, "a tensor")
        name = fields.text(data, "name")
        if name not in by_name or name in tensors:
            raise InputError(f"the tensor {name[:60]!r} is unknown or stands twice; expected {sorted(by_name)}")
        tensors[name] = _decode_tensor(data, by_name[name])
    missing = sorted(by_name.keys() - tensors.keys())
    if missing:
        raise InputError(f"the tensor {missing[0]!r} is missing")
    return tensors


def encode_tensor(spec: TensorSpec, tensor: Tensor) -> dict[str, object]:
    """Write a tensor with its data flat."""
    return {
        "name": spec.name,
        "datatype": spec.datatype,
        "shape": list(tensor.shape),
        "data": tensor.ravel().tolist(),
    }


def zeros(spec: TensorSpec) -> Tensor:
    """Return a tensor of nothing, with 1 for every free dimension."""
    shape = tuple(1 if size == -1 else size for size in spec.shape)
    return np.full(shape, "", np.object_) if spec.datatype == "BYTES" else np.zeros(shape, _TYPES[spec.datatype])


def has_wild_values(tensor: Tensor) -> bool:
    """Say whether a tensor holds NaN or an infinity."""
    return tensor.dtype.kind == "f" and not bool(np.isfinite(tensor).all())


def _decode_tensor(data: Mapping[str, Any], spec: TensorSpec) -> Tensor:
    if data.get("datatype") != spec.datatype:
        raise InputError(f"{spec.name!r} is {str(data.get('datatype'))[:20]!r}, the model takes {spec.datatype!r}")
    shape = fields.items(data, "shape", fields.whole)
    fits = len(shape) == len(spec.shape) and all(
        size == wanted or (wanted == -1 and size > 0) for size, wanted in zip(shape, spec.shape, strict=False)
    )
    if not fits or len(shape) > MAX_RANK:
        raise InputError(f"{spec.name!r} has the shape {list(shape)[:MAX_RANK]}, the model takes {list(spec.shape)}")
    values = data.get("data")
    if not isinstance(values, list):
        raise InputError(f"{spec.name!r} has no array 'data'; binary tensor data is not supported")
    flat = _flatten(values, shape, spec.name)
    if len(flat) != math.prod(shape):
        raise InputError(f"{spec.name!r} has {len(flat)} values, its shape {list(shape)} asks for {math.prod(shape)}")
    return _to_array(flat, spec).reshape(shape)


def _flatten(values: list[Any], shape: Sequence[int], name: str) -> list[Any]:
    """Return the values in row-major order, whether they came flat or nested as the shape says."""
    if len(shape) < 2 or not values or not isinstance(values[0], list):
        return values
    if len(values) != shape[0]:
        raise InputError(f"{name!r} is nested, but not as its shape {list(shape)} says")
    for size in shape[1:]:
        if not all(isinstance(row, list) and len(row) == size for row in values):
            raise InputError(f"{name!r} is nested, but not as its shape {list(shape)} says")
        values = list(chain.from_iterable(values))
    return values


def _to_array(flat: list[Any], spec: TensorSpec) -> Tensor:
    kinds, kind = set(map(type, flat)), np.dtype(_TYPES[spec.datatype])
    allowed: set[type] = _JSON_TYPES.get(kind.kind, {int})
    if not kinds <= allowed:
        wrong = sorted(found.__name__ for found in kinds - allowed)
        raise InputError(f"{spec.name!r} is {spec.datatype} and has values of JSON type {', '.join(wrong)}")
    if kind.kind == "O" and not _is_text("".join(flat)):
        raise InputError(f"{spec.name!r} has a lone surrogate, which is no text")
    try:
        with np.errstate(over="ignore"):
            array: Tensor = np.array(flat, dtype=kind)
    except OverflowError as error:
        raise InputError(f"{spec.name!r} has a value out of the range of {spec.datatype}") from error
    if has_wild_values(array):
        raise InputError(f"{spec.name!r} has a value out of the range of {spec.datatype}")
    return array


def _is_text(text: str) -> bool:
    """Say whether the runtime, which takes UTF-8, can be given it; JSON can carry more."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON value")
