"""What a worker cannot do once it may parse a model, in the words of the kernel; and that it serves all the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.serve.callers import Caller, question
from agent.serve.models import Shelf, alone, linear
from ringtide_agent.adapters.child_process import child_environment
from ringtide_agent.adapters.probe_process import ProbeProcess
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.serve import landlock, sandbox, seccomp
from ringtide_contract.errors import InputError

landlocked = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
filtered = pytest.mark.skipif(not seccomp.available(), reason="this kernel has no seccomp filter for this machine")

_PRELUDE = """
import ctypes, os, socket, subprocess, sys, threading
from ringtide_agent.serve import sandbox
import ringtide_agent.serve.lineup
threads = len(os.listdir("/proc/self/task"))
left, right = socket.socketpair()
sandbox.confine_worker(os.getppid())
sandbox.close_world([sys.argv[1]])
"""


def attempt(act: str, folder: Path) -> str:
    """Return what an act of a closed worker came to: `done`, or the name of the error."""
    code = f"{_PRELUDE}\ntry:\n    {act}\n    print('done')\nexcept OSError as error: print(type(error).__name__)\n"
    environment = child_environment()
    environment["PYTHONPATH"] += os.pathsep + os.pathsep.join(sys.path)
    command = [sys.executable, "-P", "-c", code, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@landlocked
@pytest.mark.parametrize(
    "act",
    [
        "open('/etc/passwd', 'r')",
        "open('/etc/passwd', 'a')",
        "open(sys.argv[1] + '/new', 'w')",
        "open(sys.argv[1] + '/there', 'r+')",
        "os.truncate(sys.argv[1] + '/there', 0)",
        "os.unlink(sys.argv[1] + '/there')",
        "os.mkdir(sys.argv[1] + '/folder')",
        "os.rename(sys.argv[1] + '/there', sys.argv[1] + '/moved')",
        "os.symlink('/etc', sys.argv[1] + '/link')",
        "open(sys.argv[1] + '/../key').read()",
        "os.listdir('/')",
        "open(f'/proc/{os.getppid()}/environ').read()",
        "os.kill(os.getppid(), 0)",
    ],
)
def test_it_opens_nothing_but_what_it_is_given_and_that_for_reading(tmp_path: Path, act: str) -> None:
    if "kill" in act and landlock.version() < landlock.SCOPES_SINCE:
        pytest.skip("this kernel's Landlock does not keep signals inside")
    given = tmp_path / "given"
    given.mkdir()
    (given / "there").write_text("kept")
    (tmp_path / "key").write_text("secret")
    assert attempt(act, given) == "PermissionError"
    assert {path.name: path.read_text() for path in given.iterdir()} == {"there": "kept"}


@filtered
@pytest.mark.parametrize(
    "act",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "left.connect('/run/x')",
        "os.execv('/bin/true', ['/bin/true'])",
        "subprocess.run(['/bin/true'])",
        "os.fork()",
        "os.chmod(sys.argv[1], 0o777)",
        "os.setxattr(sys.argv[1], 'user.x', b'1')",
        "threading.Thread(target=os.write, args=(1, b'')).start(); os.posix_spawn('/bin/true', ['true'], {})",
    ],
)
def test_it_neither_connects_nor_starts_anything(tmp_path: Path, act: str) -> None:
    assert attempt(act, tmp_path) == "PermissionError"


@pytest.mark.parametrize(
    "act",
    [
        "open(sys.argv[1] + '/there').read()",
        "left.send(b'x'); right.recv(1)",
        "t = threading.Thread(target=print, args=('', ), kwargs={'end': ''}); t.start(); t.join()",
        "import decimal, asyncio.subprocess, xml.dom.minidom",
        "assert threads == 1",
    ],
)
def test_what_serving_needs_goes_on(tmp_path: Path, act: str) -> None:
    (tmp_path / "there").write_text("kept")
    assert attempt(act, tmp_path) == "done"


@filtered
def test_every_thread_of_a_serving_worker_is_filtered(service: WorkerProcess, caller: Caller, shelf: Shelf) -> None:
    service.shape([alone(shelf.release(linear()))])
    assert caller.infer(question()).status == 200
    threads = [task / "status" for task in Path(f"/proc/{service.pid}/task").iterdir()]
    assert len(threads) > 1
    assert all("Seccomp:\t2" in status.read_text() for status in threads)


@landlocked
def test_a_worker_reads_models_only_where_it_is_told(shelf: Shelf, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    release = shelf.release(linear())
    closed = WorkerProcess(readable=(str(elsewhere),))
    opened = WorkerProcess(readable=(str(shelf.folder),))
    try:
        with pytest.raises(InputError, match="cannot be read: Permission denied"):
            closed.shape([alone(release)])
        opened.shape([alone(release)])
        assert Caller(opened.address).infer(question()).status == 200
    finally:
        closed.stop()
        opened.stop()


def test_a_probe_measures_within_the_sandbox(shelf: Shelf) -> None:
    assert ProbeProcess().probe(shelf.release(linear())).failure is None


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_forbids_what_it_lists_and_allows_the_rest(machine: str) -> None:
    """Run the program as the kernel does, over every number that a system call may have."""
    column = 0 if machine == "x86_64" else 1
    forbidden = {both[column] for both in seccomp.FORBIDDEN.values()} - {-1}
    program = seccomp.program(machine)
    for number in range(600):
        expected = 0x50001 if number in forbidden else 0x50026 if number == 435 else 0x7FFF0000
        clone = number == seccomp._CLONE[machine]
        assert run(program, seccomp._AUDIT_ARCH[machine], number, 0x10000) == expected
        assert run(program, seccomp._AUDIT_ARCH[machine], number, 17) == (0x50001 if clone else expected)
        assert run(program, 0x40000003, number, 0) == 0x80000000
    if machine == "x86_64":
        assert run(program, seccomp._AUDIT_ARCH[machine], 0x40000000 | 1, 0) == 0x50001


def run(program: bytes, arch: int, number: int, argument: int) -> int:
    """Interpret the four instructions that the filter is made of."""
    lines = [program[at : at + 8] for at in range(0, len(program), 8)]
    fields = {0: number, 4: arch, 16: argument}
    at = held = 0
    while True:
        code, if_true, if_false = int.from_bytes(lines[at][:2], sys.byteorder), lines[at][2], lines[at][3]
        value = int.from_bytes(lines[at][4:], sys.byteorder)
        at += 1
        if code == 0x20:
            held = fields[value]
        elif code == 0x06:
            return value
        else:
            truth = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += if_true if truth else if_false


def test_what_the_kernel_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "available", lambda: False)
    assert [word.partition(":")[0] for word in sandbox.lacking()] == ["no Landlock", "no seccomp filter"]
    monkeypatch.setattr(landlock, "version", lambda: 5)
    assert "Landlock 5: a worker may signal" in sandbox.lacking()[0]
    monkeypatch.setattr(landlock, "version", lambda: 7)
    monkeypatch.setattr(seccomp, "available", lambda: True)
    assert json.dumps(sandbox.lacking()) == "[]"
