"""Whoever reaches the inference port keeps nobody else away from it, and no release is blamed for what it sends."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnx
import pytest
from onnx import TensorProto, helper

from agent.serve.callers import Caller, question
from agent.serve.models import Shelf, alone, linear
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.serve.http_server import MAX_BODY_BYTES, MAX_CONNECTIONS
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import TensorSpec

END_S = 20.0


@pytest.fixture
def service() -> Iterator[WorkerProcess]:
    made = WorkerProcess(first_back_off_s=0.01)
    yield made
    made.stop()


@pytest.fixture
def serving(service: WorkerProcess, tmp_path: Path) -> WorkerProcess:
    service.shape([alone(Shelf(folder=tmp_path).release(linear()))])
    return service


def is_served(serving: WorkerProcess) -> bool:
    caller = Caller(serving.address)
    try:
        return caller.infer(question()).status == 200
    except OSError:
        return False
    finally:
        caller.close()


@pytest.mark.parametrize(
    "said", [b"", b"G", b"POST /v2/models/digits/infer HTTP/1.1\r\nx: y\r\n"], ids=["mute", "a byte", "slow"]
)
def test_connections_that_ask_nothing_give_way(serving: WorkerProcess, said: bytes) -> None:
    """A hundred and twenty-eight of them kept everybody else out, for a minute each time."""
    with ExitStack() as held:
        for _ in range(2 * MAX_CONNECTIONS):
            connection = held.enter_context(socket.create_connection(serving.address, timeout=END_S))
            if said:
                connection.sendall(said)
        end = time.monotonic() + END_S
        while not is_served(serving):  # those that queue before it are accepted first
            assert time.monotonic() < end, "nobody else is served"
            time.sleep(0.05)
    (counters,) = serving.counters()
    assert (counters.failures, counters.crashes) == (0, 0)


def test_a_request_under_way_does_not_give_way(serving: WorkerProcess) -> None:
    body = b'{"inputs": []}'
    with ExitStack() as held:
        mine = held.enter_context(socket.create_connection(serving.address, timeout=END_S))
        mine.sendall(
            b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5]
        )
        time.sleep(0.2)
        for _ in range(2 * MAX_CONNECTIONS):
            held.enter_context(socket.create_connection(serving.address, timeout=END_S))
        time.sleep(0.2)
        mine.sendall(body[5:])
        assert mine.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "\udfff\ud800"])
def test_a_text_that_is_none_is_a_bad_request_and_no_failure(service: WorkerProcess, tmp_path: Path, text: str) -> None:
    """It reached the runtime and failed there, which counted against the release."""
    names = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", names[:1], names[1:])
    content: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    release = Shelf(folder=tmp_path).release(content.SerializeToString())
    inputs, outputs = ((TensorSpec(name=name, datatype="BYTES", shape=(-1,)),) for name in ("x", "y"))
    manifest = replace(release.manifest, inputs=inputs, outputs=outputs)
    service.shape([alone(replace(release, manifest=manifest, digest=sha256(manifest.encode())))])
    caller = Caller(service.address)

    def asked(data: str) -> int:
        return caller.infer({"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": [data]}]}).status

    assert [asked(text), asked("\u20ac\0")] == [400, 200]
    caller.close()
    (counters,) = service.counters()
    assert (counters.requests, counters.failures) == (1, 0)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000, b"400"),
        (b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nContent-Length: -1", b"400"),
        (b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2", b"400"),
        (b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", b"501"),
        (b"CONNECT evil:80 HTTP/1.1\r\nHost: a", b"404"),
        (b"GET /v2 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade", b"200"),
        (b"GET http://169.254.169.254/v2 HTTP/1.1\r\nHost: a", b"404"),
        (b"GET /v2/models/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: a", b"404"),
        (b"GET /v2/models/digits/versions/%00%1b[2J/ready HTTP/1.1\r\nHost: a", b"404"),
        (b"PRI * HTTP/2.0", b"404"),
    ],
)
def test_odd_heads_are_answered_and_harm_nobody(serving: WorkerProcess, head: bytes, status: bytes) -> None:
    with socket.create_connection(serving.address, timeout=END_S) as connection:
        connection.sendall(head + b"\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"\x1b" not in answer
    assert is_served(serving)
    (counters,) = serving.counters()
    assert (counters.failures, counters.crashes) == (0, 0)


def test_a_body_in_single_bytes_is_bounded_and_others_are_answered(serving: WorkerProcess) -> None:
    with socket.create_connection(serving.address, timeout=END_S) as connection:
        connection.sendall(b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"1\r\n \r\n" * 50_000)
        assert is_served(serving)
        connection.sendall(b"1;" + b"e" * 40_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 4")
    assert MAX_BODY_BYTES > 50_000
