"""Tensors, golden answers, agreement, counts and control messages, without a process."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from agent.serve.callers import question
from agent.serve.models import Shelf, endless, linear
from ringtide_agent.ports import ServedRelease
from ringtide_agent.serve.agreement import agree
from ringtide_agent.serve.control import (
    MAX_TEXT,
    Answer,
    Count,
    LoadableRelease,
    Shape,
    WantedModel,
    decode_answer,
    decode_command,
    encode_line,
)
from ringtide_agent.serve.counting import Tally
from ringtide_agent.serve.endpoints import Endpoints
from ringtide_agent.serve.golden import judge_golden
from ringtide_agent.serve.http_server import Request
from ringtide_agent.serve.lineup import Lineup
from ringtide_agent.serve.onnx_session import Session
from ringtide_agent.serve.sampling import Sampler
from ringtide_agent.serve.tensors import decode_tensors, encode_tensor
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Manifest, TensorSpec
from ringtide_contract.report import Counters

ROWS = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)


def _loadable(release: ServedRelease) -> LoadableRelease:
    return LoadableRelease(digest=release.digest, manifest=release.manifest, files=release.files)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP16", [0.5, -2.0]),
        ("FP64", [1e300, 0]),
        ("BYTES", ["a", "ü"]),
    ],
)
def test_a_tensor_comes_back_as_it_was_written(datatype: str, data: list[object]) -> None:
    spec = TensorSpec(name="x", datatype=datatype, shape=(-1,))  # type: ignore[arg-type]
    tensor = {"name": "x", "datatype": datatype, "shape": [2], "data": data}
    assert encode_tensor(spec, decode_tensors([tensor], [spec])["x"]) == tensor


@pytest.mark.parametrize(("datatype", "value"), [("UINT8", 256), ("UINT8", -1), ("INT64", 2**63), ("FP16", 70000)])
def test_a_value_out_of_range_is_refused_not_wrapped(datatype: str, value: int) -> None:
    spec = TensorSpec(name="x", datatype=datatype, shape=(1,))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="out of the range"):
        decode_tensors([{"name": "x", "datatype": datatype, "shape": [1], "data": [value]}], [spec])


def test_golden_answers_are_judged_by_the_largest_difference() -> None:
    off = ROWS + np.array([[0, 0.002], [0, 0]], np.float32)
    assert judge_golden([ROWS], [off], 2100).fault is None
    assert "golden difference 0.002" in str(judge_golden([ROWS], [off], 1900).fault)


def test_unsigned_answers_do_not_wrap_around() -> None:
    one, other = np.array([[1], [9]], np.uint8), np.array([[2], [9]], np.uint8)
    assert judge_golden([one], [other], 1_000_000).difference == 1


def test_golden_answers_of_another_shape_or_type_are_refused() -> None:
    assert "expected float32 [2, 2]" in str(judge_golden([ROWS], [ROWS[:1]], 10**9).fault)
    assert "float64" in str(judge_golden([ROWS], [ROWS.astype(np.float64)], 10**9).fault)


def test_equal_answers_are_no_collapse_where_equal_ones_are_expected() -> None:
    same = np.ones((3, 2), np.float32)
    assert judge_golden([same], [same], 0).fault is None


def test_agreement_of_classes_is_agreement_of_the_best() -> None:
    assert agree([ROWS], [ROWS * 0.7])
    assert not agree([ROWS], [ROWS[:, ::-1]])
    assert not agree([ROWS], [ROWS[:1]])


def test_agreement_of_figures_is_closeness() -> None:
    figures = np.array([[3.0], [4.0]], np.float32)
    assert agree([figures], [figures + 1e-4])
    assert not agree([figures], [figures + 0.1])


def test_counts_are_those_of_the_report() -> None:
    tally = Tally(sha256(b"m"), "s", 100)
    for latency, failed in ((50, False), (150, False), (50, True)):
        tally.answered(latency, failed=failed)
    tally.compared(agreed=True)
    tally.compared(agreed=False)
    counters = Counters.from_dict(tally.counters())
    assert (counters.requests, counters.failures, counters.over_budget) == (3, 1, 1)
    assert (counters.compared, counters.agreed, counters.latency.total) == (2, 1, 3)


def test_control_messages_survive_the_wire(shelf: Shelf) -> None:
    release = _loadable(shelf.release(linear()))
    shape = Shape(number=3, models=(WantedModel(model="digits", active=release, stable=release),))
    answer = Answer(number=3, errors={"digits": "why"}, loaded=(release.digest,), counters=({"requests": 1},))
    assert decode_command(encode_line(shape)) == shape
    assert decode_command(encode_line(Count(number=4))) == Count(number=4)
    assert decode_answer(encode_line(answer)) == answer


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"number": -1}', b'{"number": 1, "loaded": ["x"]}'])
def test_nonsense_on_the_control_channel_is_refused(line: bytes) -> None:
    with pytest.raises(InputError):
        decode_answer(line)


def test_words_of_a_worker_are_short_and_move_no_cursor() -> None:
    line = json.dumps({"number": 1, "errors": {"digits": "\x1b[2J\nforged" * 1000}, "loaded": [], "counters": []})
    said = decode_answer(line.encode()).errors["digits"]
    assert said.startswith(" [2J forged")
    assert (len(said), said.isprintable()) == (MAX_TEXT, True)


def test_samples_beyond_the_rate_are_shed(shelf: Shelf, eventually: Callable[[Callable[[], bool]], None]) -> None:
    lineup = Lineup("s")
    active, stable = shelf.release(linear(1)), shelf.release(linear(1), release="0.9.0")
    lineup.apply([WantedModel(model="digits", active=_loadable(active), stable=_loadable(stable))])
    serving = lineup.serving["digits"]
    feeds = {"x": np.zeros((1, 64), np.float32)}
    outputs = serving.active.session.run(feeds)
    comparer = Sampler(samples_per_s=0.001)
    for _ in range(50):
        comparer.offer(serving, feeds, outputs)
    eventually(lambda: serving.active.tally.counters()["compared"] == 1)


def test_a_session_that_no_model_needs_is_freed(shelf: Shelf) -> None:
    freed: list[str] = []

    class Watched(Session):
        def __init__(self, manifest: Manifest, graph: bytes) -> None:
            super().__init__(manifest, graph)
            self.release = manifest.release

        def __del__(self) -> None:
            freed.append(self.release)

    lineup = Lineup("s", Watched)
    active, stable = _loadable(shelf.release(linear(1), release="2")), _loadable(shelf.release(linear(2), release="1"))
    lineup.apply([WantedModel(model="digits", active=stable, stable=None)])
    lineup.apply([WantedModel(model="digits", active=active, stable=stable)])
    assert freed == []
    lineup.apply([WantedModel(model="digits", active=active, stable=None)])
    assert freed == ["1"]


def test_without_its_stable_release_a_model_starts_but_does_not_switch(shelf: Shelf) -> None:
    lineup = Lineup("s")
    one, two = _loadable(shelf.release(linear(1))), _loadable(shelf.release(linear(2), release="2.0.0"))
    broken = _loadable(shelf.release(b"not a model", release="0.9.0"))
    assert lineup.apply([WantedModel(model="digits", active=one, stable=broken)]) == {}
    assert lineup.loaded() == (one.digest,)
    assert "cannot load" in lineup.apply([WantedModel(model="digits", active=two, stable=broken)])["digits"]
    assert lineup.serving["digits"].active.digest == one.digest


def test_an_inference_over_its_deadline_is_stopped_and_counts_as_a_failure(
    shelf: Shelf, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    lineup = Lineup("s")
    lineup.apply([WantedModel(model="digits", active=_loadable(shelf.release(endless())), stable=None)])
    with ThreadPoolExecutor(1) as pool:
        endpoints = Endpoints(lineup, pool, Sampler(), infer_s=0.2)
        request = Request(method="POST", path="/v2/models/digits/infer", body=json.dumps(question()).encode())
        response = asyncio.run(endpoints.answer(request))
    assert response.status == 504
    tally = lineup.serving["digits"].active.tally
    eventually(lambda: tally.counters()["failures"] == 1)
    assert tally.counters()["requests"] == 1
