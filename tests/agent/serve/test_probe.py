"""A release is tried in a process of its own before anything depends on it."""

import json
import sys

import numpy as np
import pytest

from agent.serve.models import (
    MIB,
    Shelf,
    endless,
    linear,
    not_a_number,
    softmax_golden,
    tensor,
    wants_memory,
    with_file,
)
from ringtide_agent.adapters.probe_process import ProbeProcess
from ringtide_agent.ports import ServedRelease
from ringtide_contract.errors import TransientError


def _probe(release: ServedRelease) -> tuple[str | None, str]:
    result = ProbeProcess(deadline_s=60).probe(release)
    return result.failure, result.note


def test_a_good_release_passes_with_its_figures(shelf: Shelf) -> None:
    result = ProbeProcess().probe(shelf.release(linear(), golden=softmax_golden()))
    assert result.failure is None
    assert "golden difference" in result.note
    assert result.p95_latency_us is not None
    assert 20 * MIB < (result.peak_memory_bytes or 0) < 512 * MIB


def test_a_release_without_golden_set_is_measured_on_zeros(shelf: Shelf) -> None:
    result = ProbeProcess().probe(shelf.release(linear()))
    assert (result.failure, result.p95_latency_us is None) == (None, False)


def test_answers_off_the_golden_ones_are_refused(shelf: Shelf) -> None:
    failure, note = _probe(shelf.release(linear(7), golden=softmax_golden(0)))
    assert failure == "golden"
    assert "(limit 0.001)" in note


def test_nan_is_refused(shelf: Shelf) -> None:
    assert _probe(shelf.release(not_a_number(), golden=softmax_golden()))[0] == "golden"
    failure, note = _probe(shelf.release(not_a_number()))
    assert (failure, "NaN" in note) == ("golden", True)


def test_one_answer_to_every_question_is_refused_at_any_tolerance(shelf: Shelf) -> None:
    constant = linear(0, shift=0)
    questions = json.loads(softmax_golden())
    answers = np.array(questions["outputs"][0]["data"], np.float32)
    same = np.zeros((8, 64), np.float32)
    golden = json.dumps({"inputs": [tensor("x", same)], "outputs": [tensor("y", answers.reshape(8, 10))]}).encode()
    failure, note = _probe(shelf.release(constant, golden=golden, tolerance_ppm=5_000_000))
    assert failure == "golden"
    assert "same for every golden input" in note


def test_a_golden_set_for_another_model_is_refused(shelf: Shelf) -> None:
    failure, note = _probe(shelf.release(linear(), golden=b'{"inputs": [], "outputs": []}'))
    assert (failure, "missing" in note) == ("golden", True)


def test_memory_over_the_budget_is_refused(shelf: Shelf) -> None:
    failure, note = _probe(shelf.release(wants_memory(64 * MIB), peak_memory_bytes=128 * MIB))
    assert (failure, "too much memory" in note) == ("budget", True)


def test_memory_beyond_all_bounds_is_refused_without_taking_it(shelf: Shelf) -> None:
    assert _probe(shelf.release(wants_memory(2**34), peak_memory_bytes=128 * MIB))[0] == "budget"


def test_latency_over_the_budget_is_refused(shelf: Shelf) -> None:
    failure, note = _probe(shelf.release(linear(), p95_latency_us=1, golden=softmax_golden()))
    assert (failure, note.endswith("too slow")) == ("budget", True)


def test_bytes_that_are_no_model_are_refused_as_load(shelf: Shelf) -> None:
    assert _probe(shelf.release(b"\x08\x08garbage"))[0] == "load"
    assert _probe(shelf.release(linear()[:-200]))[0] == "load"
    assert _probe(with_file(shelf.release(linear()), "model.onnx", shelf.put(linear(1))))[0] == "load"
    assert _probe(with_file(shelf.release(linear()), "model.onnx", "/nowhere"))[0] == "load"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"providers": ("CUDAExecutionProvider", "CPUExecutionProvider")}, "CUDAExecutionProvider is not here"),
        ({"providers": ("AzureExecutionProvider",)}, "AzureExecutionProvider is not here"),
        ({"onnxruntime": "<1.0"}, "the manifest asks for <1.0"),
        ({"onnxruntime": "newest"}, "not a version range"),
        ({"opset": 9}, "the graph uses opset 13"),
        ({"opset": 9999}, "knows up to"),
    ],
)
def test_a_requirement_that_the_device_lacks_is_refused(shelf: Shelf, asked: dict[str, object], words: str) -> None:
    failure, note = _probe(shelf.release(linear(), **asked))  # type: ignore[arg-type]
    assert failure == "requirement"
    assert words in note


def test_an_endless_model_is_over_budget_at_the_deadline(shelf: Shelf) -> None:
    result = ProbeProcess(deadline_s=1.5).probe(shelf.release(endless()))
    assert (result.failure, "1.5 s" in result.note) == ("budget", True)


@pytest.mark.parametrize(("name", "failure"), [("SIGSEGV", "load"), ("SIGABRT", "load"), ("SIGKILL", "budget")])
def test_a_probe_that_dies_blames_the_release_and_names_the_signal(shelf: Shelf, name: str, failure: str) -> None:
    die = (sys.executable, "-c", f"import os, signal; os.kill(os.getpid(), signal.{name})")
    result = ProbeProcess(command=die).probe(shelf.release(linear()))
    assert result.failure == failure
    assert name in result.note


def test_a_probe_that_cannot_work_blames_nobody(shelf: Shelf) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no runtime on this device')")
    with pytest.raises(TransientError, match="no runtime on this device"):
        ProbeProcess(command=broken).probe(shelf.release(linear()))
    with pytest.raises(TransientError, match="could not be started"):
        ProbeProcess(command=("/nowhere",)).probe(shelf.release(linear()))
