"""Bad requests get the right status, and nobody's release is blamed for them."""

import json
import socket
from collections.abc import Iterator

import pytest

from agent.serve.callers import Caller, question
from agent.serve.models import Shelf, alone, endless, linear, not_a_number
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.serve.http_server import MAX_BODY_BYTES


@pytest.fixture
def serving(service: WorkerProcess, shelf: Shelf) -> Iterator[WorkerProcess]:
    service.shape([alone(shelf.release(linear()))])
    yield service
    if service._live:
        (counters,) = service.counters()
        assert (counters.requests, counters.failures) == (0, 0), "a bad request was counted"


def _body(**changes: object) -> dict[str, object]:
    tensor = {**question()["inputs"][0], **changes}
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"inputs": [NaN]}', "NaN is not a JSON value"),
        (b"[" * 100_000, "not JSON"),
        (b"[" + b"{}," * 300_000 + b"{}]", "objects, arrays and strings; write the data of a tensor flat"),
        (b'{"inputs":[' + b"[]," * 300_000 + b"[]]}", "objects, arrays and strings"),
        (b'{"inputs":[' + b'"ab",' * 300_000 + b'""]}', "objects, arrays and strings"),
        ([], "not an object"),
        ({}, "'inputs' is not an array"),
        ({"inputs": []}, "'x' is missing"),
        (_body(name="z"), "unknown"),
        ({"inputs": question()["inputs"] * 2}, "stands twice"),
        (_body(datatype="FP64"), "takes 'FP32'"),
        (_body(shape=[1, 63]), "has the shape"),
        (_body(shape=[64]), "has the shape"),
        (_body(shape=[0, 64], data=[]), "has the shape"),
        (_body(shape=[2**62, 64]), "64 values"),
        (_body(data=[0.0] * 63), "63 values"),
        (_body(data=["1"] * 64), "JSON type str"),
        (_body(data=[True] * 64), "JSON type bool"),
        (_body(data=[1e300] * 64), "out of the range"),
        (_body(data=[10**400] * 64), "out of the range"),
        (_body(data=[[0.0] * 32] * 2), "nested"),
        (_body(data=None), "binary tensor data is not supported"),
        ({**question(), "outputs": [{"name": "nothing"}]}, "no output 'nothing'"),
    ],
)
def test_a_bad_body_is_400_and_no_failure(serving: WorkerProcess, caller: Caller, body: object, words: str) -> None:
    heard = caller.infer(body)
    assert heard.status == 400
    assert words in heard.body["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/unknown/infer", 404),
        ("/v2/models/digits/versions/9.9.9/infer", 404),
        ("/v2/models/digits/nothing", 404),
        ("/v2/models/digits/versions", 404),
        ("/nothing", 404),
        ("/v2", 405),
        ("/v2/models/digits", 405),
    ],
)
def test_a_wrong_path_is_said_and_no_failure(serving: WorkerProcess, caller: Caller, path: str, status: int) -> None:
    assert caller.post(path, json.dumps(question()).encode()).status == status


def test_a_get_of_infer_is_405(serving: WorkerProcess, caller: Caller) -> None:
    assert caller.get("/v2/models/digits/infer").status == 405


def test_a_body_over_the_limit_is_413_by_its_length_and_no_failure(serving: WorkerProcess, caller: Caller) -> None:
    assert caller.infer(b" " * (MAX_BODY_BYTES + 1)).status == 413


def test_a_body_over_the_limit_is_413_without_a_length(serving: WorkerProcess) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 2**20 + 1):
            yield b" " * 2**20

    caller = Caller(serving.address)
    caller._connection.request("POST", "/v2/models/digits/infer", chunks(), encode_chunked=True)
    assert caller._connection.getresponse().status == 413
    caller.close()


def test_no_http_is_400(serving: WorkerProcess) -> None:
    with socket.create_connection(serving.address, timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_an_endless_head_is_431(serving: WorkerProcess) -> None:
    with socket.create_connection(serving.address, timeout=20) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nx: " + b"a" * 40_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_the_server_says_what_it_is_and_serves(serving: WorkerProcess, caller: Caller) -> None:
    assert caller.get("/v2").body["name"] == "ringtide"
    assert caller.get("/v2/health/live").status == 200
    assert caller.get("/v2/health/ready").body == {"ready": True}
    metadata = caller.get("/v2/models/digits").body
    assert metadata["versions"] == ["1.0.0"]
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}]
    assert caller.get("/v2/models/digits/ready").body == {"name": "digits", "ready": True}
    assert caller.get("/v2/models/digits/versions/1.0.0/ready").status == 200
    assert caller.get("/v2/models/digits/versions/1.0.0?x=y").body == metadata


def test_a_good_request_is_counted_with_its_latency(service: WorkerProcess, caller: Caller, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(linear(), p95_latency_us=1))])
    nested = question()["inputs"][0]
    nested = {**nested, "data": [nested["data"]]}
    flat, heard = (
        caller.infer({**question(), "id": "a", "outputs": [{"name": "y"}]}),
        caller.infer({"inputs": [nested]}),
    )
    assert (flat.status, flat.body["id"]) == (200, "a")
    assert heard.body["outputs"] == flat.body["outputs"]
    (counters,) = service.counters()
    assert (counters.requests, counters.failures, counters.over_budget, counters.latency.total) == (2, 0, 2, 2)
    assert counters.peak_memory_bytes > 20 * 2**20


def test_an_answer_of_nan_is_500_and_a_failure(service: WorkerProcess, caller: Caller, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(not_a_number()))])
    heard = caller.infer(question())
    assert heard.status == 500
    assert "NaN" in heard.body["error"]
    (counters,) = service.counters()
    assert (counters.requests, counters.failures) == (1, 1)


def test_health_answers_while_an_endless_inference_runs_and_stop_ends_it(shelf: Shelf) -> None:
    service = WorkerProcess()
    try:
        service.shape([alone(shelf.release(endless()))])
        stuck, caller = Caller(service.address), Caller(service.address)
        stuck._connection.request("POST", "/v2/models/digits/infer", json.dumps(question()).encode())
        assert caller.get("/v2/health/live").status == 200
        caller.close()
        stuck.close()
    finally:
        service.stop()
    assert service.pid is None
