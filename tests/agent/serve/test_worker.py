"""The worker itself, without the supervisor's policy: its socket, its end, its limits."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from agent.serve.callers import question
from agent.serve.models import Shelf, linear
from ringtide_agent.adapters.child_process import child_environment
from ringtide_agent.adapters.running_worker import RunningWorker
from ringtide_agent.adapters.worker_process import COMMAND
from ringtide_agent.serve.control import LoadableRelease, WantedModel


def _wanted(shelf: Shelf) -> WantedModel:
    release = shelf.release(linear())
    active = LoadableRelease(digest=release.digest, manifest=release.manifest, files=release.files)
    return WantedModel(model="digits", active=active, stable=None)


def _request(connection: socket.socket, body: bytes) -> None:
    head = f"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def test_it_serves_a_unix_socket_as_well(shelf: Shelf, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    worker = RunningWorker(COMMAND, listener, "a")
    try:
        worker.shape([_wanted(shelf)], 20)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(tmp_path / "s"))
            _request(connection, json.dumps(question()).encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200
    finally:
        worker.end()
        listener.close()


def test_a_request_in_flight_is_answered_when_the_control_channel_closes(shelf: Shelf) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    worker = RunningWorker(COMMAND, listener, "a")
    try:
        worker.shape([_wanted(shelf)], 20)
        body = json.dumps(question()).encode()
        with socket.create_connection(listener.getsockname(), timeout=20) as connection:
            head = f"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
            connection.sendall(head.encode() + b"expect: 100-continue\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # now it is in flight
            ending = threading.Thread(target=worker.end)
            ending.start()
            connection.sendall(body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.getheader("connection")) == (200, "close")
            ending.join()
        assert worker.ended() == "ended with code 0"
    finally:
        worker.kill()
        listener.close()


def test_onnxruntime_is_not_imported_where_it_would_phone_home() -> None:
    environment = {name: value for name, value in child_environment().items() if name != "ORT_DISABLE_TELEMETRY"}
    environment["PYTHONPATH"] += os.pathsep + os.pathsep.join(sys.path)
    code = (
        "import sys\nfrom ringtide_contract.errors import InputError\n"
        "try: import ringtide_agent.serve.onnx_session\n"
        "except InputError as error: print(error, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ORT_DISABLE_TELEMETRY=1 must be")
    assert done.stdout.strip().endswith("False")


def test_the_worker_carries_no_cryptography() -> None:
    code = (
        "import sys, ringtide_agent.serve.worker, ringtide_agent.serve.endpoints, ringtide_agent.serve.trial;"
        "print('cryptography' in sys.modules)"
    )
    environment = child_environment()
    environment["PYTHONPATH"] += os.pathsep + os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
