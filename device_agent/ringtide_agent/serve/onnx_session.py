"""The only door to onnxruntime: it opens quiet, local, and with exactly the providers that the manifest lists."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.manifest import Manifest, TensorSpec

if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
    # The library reads the variable while it is imported and phones home where it is missing.
    raise InputError("ORT_DISABLE_TELEMETRY=1 must be in the environment before onnxruntime is imported")

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

Tensor = NDArray[Any]

REMOTE_PROVIDERS = frozenset({"AzureExecutionProvider"})
"""Providers of the stock wheel that send inputs over the network; no manifest may ask for them."""

NO_FOLDER = "/dev/null"
"""Where a graph may look for external data: a path that no file can lie under."""

SILENT = 4
"""Only fatal messages: every error is raised as well, and its text holds names chosen by the model's author."""

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


def runtime_version() -> str:
    """Return the version of onnxruntime."""
    return str(onnxruntime.__version__)


def available_providers() -> frozenset[str]:
    """Return the execution providers that compute on this device."""
    return frozenset(onnxruntime.get_available_providers()) - REMOTE_PROVIDERS


def newest_opset() -> int:
    """Return the newest opset of the default domain that this onnxruntime has operators of."""
    return max(int(schema.since_version) for schema in get_all_operator_schema() if schema.domain == "")


class Cancel:
    """Stops a run from another thread."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()

    def set(self) -> None:
        """End the run at the next operator."""
        self.options.terminate = True


class Session:
    """A loaded graph."""

    def __init__(self, manifest: Manifest, graph: bytes) -> None:
        """Load the graph.

        Raises:
            InputError: It does not load, asks for a provider that is not here, or is not what the manifest describes.
        """
        runtime = manifest.runtime
        missing = [name for name in runtime.providers if name not in available_providers()]
        if missing or not runtime.providers:
            raise InputError(f"execution providers {missing or 'none'} where {sorted(available_providers())} are here")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = runtime.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = SILENT
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", NO_FOLDER)
        try:
            session = onnxruntime.InferenceSession(
                graph, options, providers=list(runtime.providers), enable_fallback=False
            )
        except Exception as error:
            raise InputError(f"onnxruntime cannot load the graph: {_first_line(error)}") from error
        if session.get_providers() != list(runtime.providers):
            raise InputError(f"runs on {session.get_providers()} where the manifest allows {list(runtime.providers)}")
        _compare("input", manifest.inputs, session.get_inputs())
        _compare("output", manifest.outputs, session.get_outputs())
        self._session = session
        self._names = [tensor.name for tensor in manifest.outputs]

    def run(self, feeds: Mapping[str, Tensor], cancel: Cancel | None = None) -> tuple[Tensor, ...]:
        """Return the outputs in the manifest's order.

        Raises:
            TransientError: The runtime failed, ran out of memory, or was stopped by `cancel`.
        """
        try:
            outputs = self._session.run(self._names, dict(feeds), cancel.options if cancel else None)
        except Exception as error:
            raise TransientError(f"the inference failed: {_first_line(error)}") from error
        return tuple(np.asarray(output) for output in outputs)


def _compare(what: str, specs: tuple[TensorSpec, ...], actual: list[Any]) -> None:
    """Refuse a graph whose inputs or outputs are not the manifest's; a manifest may fix what a graph leaves free."""
    found = {tensor.name: tensor for tensor in actual}
    if len(found) != len(specs) or {spec.name for spec in specs} != found.keys():
        raise InputError(f"the graph has the {what}s {sorted(found)}, the manifest {[spec.name for spec in specs]}")
    for spec in specs:
        tensor = found[spec.name]
        datatype = _DATATYPES.get(tensor.type, tensor.type)
        if datatype != spec.datatype:
            raise InputError(f"the {what} {spec.name!r} is {datatype} in the graph, {spec.datatype} in the manifest")
        dimensions = [size if isinstance(size, int) else -1 for size in tensor.shape]
        fits = len(dimensions) == len(spec.shape) and all(
            size in (-1, wanted) for size, wanted in zip(dimensions, spec.shape, strict=True)
        )
        if not fits and what == "input":
            raise InputError(
                f"the input {spec.name!r} is {dimensions} in the graph, {list(spec.shape)} in the manifest"
            )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
