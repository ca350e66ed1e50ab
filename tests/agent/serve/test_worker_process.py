"""The supervisor's side: a worker is started, shaped, restarted and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.serve.callers import Caller, question
from agent.serve.models import Shelf, alone, linear, wants_memory, with_file
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_contract.errors import InputError, TransientError

Eventually = Callable[[Callable[[], bool]], None]


def test_no_worker_runs_before_the_first_model(service: WorkerProcess) -> None:
    service.shape([])
    service.tend()
    assert service.pid is None


def test_an_answer_names_its_release_and_manifest(service: WorkerProcess, caller: Caller, shelf: Shelf) -> None:
    release = shelf.release(linear(), release="1.2.3")
    service.shape([alone(release)])
    heard = caller.infer(question(rows=3))
    assert heard.status == 200
    assert heard.body["model_version"] == "1.2.3"
    assert heard.body["parameters"] == {"manifest": release.digest}
    assert heard.body["outputs"][0]["shape"] == [3, 10]
    assert sum(heard.body["outputs"][0]["data"]) == pytest.approx(3, abs=1e-4)


def test_a_killed_worker_is_restarted_and_the_crash_is_counted(
    service: WorkerProcess, shelf: Shelf, eventually: Eventually
) -> None:
    release = shelf.release(linear())
    service.shape([alone(release)])
    caller = Caller(service.address)
    assert caller.infer(question()).status == 200
    assert service.counters()[0].requests == 1
    caller.close()
    first = service.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        service.tend()
        return service.pid not in (None, first)

    eventually(restarted)
    assert Caller(service.address).infer(question()).status == 200
    assert service.crashes(release.digest) == 1
    dead, live = service.counters()
    assert (dead.requests, dead.crashes) == (1, 1)
    assert (live.requests, live.crashes) == (1, 0)
    assert dead.session != live.session


def test_a_request_made_while_the_worker_is_down_waits_for_the_next(service: WorkerProcess, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(linear()))])
    assert service.pid is not None
    os.kill(service.pid, signal.SIGKILL)
    os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)
    caller = Caller(service.address)
    caller._connection.connect()  # the socket takes it with no process behind
    service.shape([alone(shelf.release(linear(), release="2.0.0"))])
    assert caller.infer(question()).body["model_version"] == "2.0.0"


def test_a_worker_that_always_crashes_is_started_ever_more_rarely(shelf: Shelf, tmp_path: Path) -> None:
    log = tmp_path / "starts"
    crash = (sys.executable, "-c", f"open({str(log)!r}, 'a').write('x'); import os; os.abort()")
    service = WorkerProcess(command=crash, first_back_off_s=3600)
    release = shelf.release(linear())
    try:
        with pytest.raises(TransientError, match="SIGABRT"):
            service.shape([alone(release)])
        with pytest.raises(TransientError, match="started again"):
            service.shape([alone(release)])
        service.tend()
        assert log.read_text() == "x"
        assert service.crashes(release.digest) == 1
        assert service.counters()[0].crashes == 1
    finally:
        service.stop()


_LEAKS = """
import sys, threading
from ringtide_agent.serve import sandbox, worker
sandbox.BASE_DATA_BYTES, worker.LEAKED_S = {base}, 0.1
close = worker.close_world
def leak():
    lost = []
    while True:
        try:
            lost.append(bytearray(1 << 22))
        except MemoryError:
            threading.Event().wait()
def close_and_leak(readable):
    close(readable)
    threading.Thread(target=leak, daemon=True).start()
worker.close_world = close_and_leak
worker.main()
"""


def test_a_worker_that_leaks_ends_at_its_bound_and_is_counted_as_crashed(shelf: Shelf, eventually: Eventually) -> None:
    command = (sys.executable, "-P", "-c", _LEAKS.format(base=300 << 20))
    service = WorkerProcess(command=command, first_back_off_s=3600)
    release = shelf.release(linear(), peak_memory_bytes=1 << 20)
    try:
        service.shape([alone(release)])

        def ended() -> bool:
            service.tend()
            return service.pid is None

        eventually(ended)
        assert service.crashes(release.digest) == 1
    finally:
        service.stop()


def test_a_request_that_wants_more_memory_than_there_may_be_fails_alone(
    service: WorkerProcess, caller: Caller, shelf: Shelf
) -> None:
    hungry = shelf.release(wants_memory(1 << 30), model="hungry", peak_memory_bytes=1 << 20)
    service.shape([alone(hungry), alone(shelf.release(linear()))])
    pid = service.pid
    assert caller.infer(question(), model="hungry").status == 500
    assert caller.infer(question()).status == 200
    service.tend()
    assert (service.pid, service.crashes(hungry.digest)) == (pid, 0)


def test_a_worker_that_does_not_answer_is_silent_and_then_taken_for_hung(
    service: WorkerProcess, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringtide_agent.adapters.worker_process.COUNT_S", 0.2)
    release = shelf.release(linear())
    service.shape([alone(release)])
    assert service.pid is not None
    os.kill(service.pid, signal.SIGSTOP)
    service.tend()
    assert (service.is_silent(), service.crashes(release.digest)) == (True, 0)
    for _ in range(2):
        service.tend()
    assert service.crashes(release.digest) == 1
    assert service.pid is None


def test_a_release_that_does_not_load_leaves_all_others_as_they_were(
    service: WorkerProcess, caller: Caller, shelf: Shelf
) -> None:
    good, other = shelf.release(linear()), shelf.release(linear(3), model="other")
    service.shape([alone(good), alone(other)])
    bad = shelf.release(b"not a model", release="2.0.0")
    with pytest.raises(InputError, match=r"digits 2\.0\.0: onnxruntime cannot load"):
        service.shape([alone(bad), alone(other)])
    assert caller.infer(question()).body["model_version"] == "1.0.0"
    assert caller.infer(question(), model="other").status == 200
    assert service.crashes(good.digest) == 0


def test_a_blob_that_changed_on_disk_is_not_loaded(service: WorkerProcess, shelf: Shelf) -> None:
    worn = with_file(shelf.release(linear()), "model.onnx", shelf.put(linear(5)))
    with pytest.raises(InputError, match="not the one the manifest names"):
        service.shape([alone(worn)])


def test_a_model_that_left_the_shape_is_unknown(service: WorkerProcess, caller: Caller, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(linear()))])
    assert caller.infer(question()).status == 200
    service.shape([])
    assert caller.infer(question()).status == 404
    assert caller.get("/v2/health/ready").status == 503


def test_two_models_of_one_name_are_refused(service: WorkerProcess, shelf: Shelf) -> None:
    release = shelf.release(linear())
    with pytest.raises(InputError, match="one name"):
        service.shape([alone(release), alone(release)])
    assert service.pid is None


def test_stop_ends_the_worker_and_closes_the_socket(shelf: Shelf) -> None:
    service = WorkerProcess()
    service.shape([alone(shelf.release(linear()))])
    pid = service.pid
    assert pid is not None
    service.stop()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ConnectionRefusedError):
        Caller(service.address).infer(question())


def test_an_address_in_use_is_said(service: WorkerProcess) -> None:
    with pytest.raises(TransientError, match="cannot listen"):
        WorkerProcess(*service.address)


def test_a_worker_that_complains_of_a_model_nobody_asked_for_blames_nobody(shelf: Shelf) -> None:
    liar = (
        "import json, socket, sys\n"
        "channel = socket.socket(fileno=int(sys.argv[sys.argv.index('--control-fd') + 1])).makefile('rwb')\n"
        "for line in channel:\n"
        "    command = json.loads(line)\n"
        "    number = command.get('shape', command.get('count'))\n"
        "    answer = {'number': number, 'errors': {'ghost': 'boo'}, 'loaded': [], 'counters': []}\n"
        "    channel.write(json.dumps(answer).encode() + b'\\n')\n"
        "    channel.flush()\n"
    )
    service = WorkerProcess(command=(sys.executable, "-c", liar))
    try:
        service.shape([alone(shelf.release(linear()))])
        assert service.counters() == ()
    finally:
        service.stop()


def test_the_supervisor_carries_no_numpy() -> None:
    code = (
        "import sys, ringtide_agent.adapters.worker_process, ringtide_agent.adapters.probe_process as p;"
        "print(sorted({'numpy', 'onnxruntime', 'packaging'} & set(sys.modules)))"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_worker_holds_no_socket_but_the_ones_it_was_given(
    service: WorkerProcess, caller: Caller, shelf: Shelf
) -> None:
    service.shape([alone(shelf.release(linear()))])
    assert caller.infer(question()).status == 200
    held = {os.readlink(entry) for entry in Path(f"/proc/{service.pid}/fd").iterdir()}
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in held if name.startswith("socket:")}
    port = f"{service.address[1]:04X}"
    network = {}
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in Path(f"/proc/{service.pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] in inodes:
                network[columns[9]] = (table, columns[1].split(":")[1], columns[3])
    listening, established = ("tcp", port, "0A"), ("tcp", port, "01")
    assert sorted(network.values()) == sorted([listening, established])
    # What is left is Unix: the control channel, and the pair by which asyncio wakes itself.
    assert len(inodes - network.keys()) == 3


def test_the_worker_is_confined(service: WorkerProcess, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(linear()))])
    status = Path(f"/proc/{service.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    limits = Path(f"/proc/{service.pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open")] == [["256", "256"]]
    environment = Path(f"/proc/{service.pid}/environ").read_bytes().split(b"\0")
    assert b"ORT_DISABLE_TELEMETRY=1" in environment
    assert not any(entry.startswith(b"HOME=") for entry in environment)


def test_a_worker_dies_with_its_supervisor(tmp_path: Path, eventually: Eventually) -> None:
    code = (
        "import os, sys; from pathlib import Path; from agent.serve.models import *;"
        "from ringtide_agent.adapters.worker_process import WorkerProcess;"
        "service = WorkerProcess(); shelf = Shelf(folder=Path(sys.argv[1]));"
        "service.shape([alone(shelf.release(linear()))]); print(service.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    worker = int(done.stdout)
    eventually(lambda: not Path(f"/proc/{worker}").exists() or "zombie" in Path(f"/proc/{worker}/status").read_text())
