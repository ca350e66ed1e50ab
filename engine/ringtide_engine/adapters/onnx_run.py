"""Runs a graph once, as devices do, where onnxruntime is installed."""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ringtide_contract.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

INFERENCE_LIMIT_S = 60
"""A graph may loop for ever."""

_SILENT = 4
"""onnxruntime's severity `fatal`: every error is raised as well."""

_NO_FOLDER = "/dev/null"
"""Where a graph may look for external data: a path that no file can lie under."""


def run_graph(
    name: str, graph: bytes, feeds: "Mapping[str, NDArray[Any]]", outputs: Sequence[str], *, what: str
) -> "list[NDArray[Any]] | None":
    """Return what a graph answers; None without onnxruntime.

    Args:
        name: What to call the ONNX file in messages.
        graph: The ONNX file.
        feeds: Input to tensor.
        outputs: The outputs to return, in order.
        what: What is asked, for messages.

    Raises:
        InputError: The graph does not run, or not in time.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read while the library is imported, which would phone home without it
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    run = onnxruntime.RunOptions()
    alarm = threading.Timer(INFERENCE_LIMIT_S, setattr, (run, "terminate", True))
    alarm.daemon = True
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        alarm.start()
        return list(session.run(list(outputs), dict(feeds), run))
    except Exception as error:
        went = f"does not run {what} within {INFERENCE_LIMIT_S} s" if run.terminate else "does not run"
        raise InputError(f"{name} {went} in onnxruntime {onnxruntime.__version__}: {first_line(error)}") from error
    finally:
        alarm.cancel()


def first_line(error: Exception) -> str:
    """Return the first line of what a library says."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
