"""One device that boots: systemd in a container of its own, over this machine's files, with a network that can be taken away."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
BOOT_S, WAIT_S = 90.0, 240.0
"""For a boot; for anything else, on a machine that has other things to do."""


def lacking() -> str | None:
    """Say why no device can boot here; None where one can."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    missing = [name for name in ("systemd-nspawn", "nsenter", "dpkg") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)} (apt-get install systemd-container)" if missing else None


class Booted:
    """A booted device."""

    def __init__(self, name: str, folder: Path, *, shared: Path, end_s: float) -> None:
        """Boot it; `shared` is read at /srv/shared. Nothing is waited for beyond the monotonic second `end_s`."""
        self.name, self._folder, self._listener, self._end_s = name, folder, None, end_s
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "tmpfs", str(folder))
        up, work, self.root = folder / "up", folder / "work", folder / "root"
        for made in (up, work, self.root):
            made.mkdir()
        options = f"lowerdir=/,upperdir={up},workdir={work}"
        _run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        (self.root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        for wants in ("etc/systemd/system", "lib/systemd/system"):
            for unit in (self.root / wants / "multi-user.target.wants").glob("*"):
                if not unit.name.startswith("systemd-"):
                    mask = self.root / "etc/systemd/system" / unit.name
                    mask.unlink(missing_ok=True)
                    mask.symlink_to("/dev/null")
        self._container = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", "-M", name, "-D", str(self.root), "--register=no", "--keep-unit",
                "--private-network", f"--bind-ro={shared}:/srv/shared", "--boot", "--console=passive",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.leader = self._find_leader()
        self.wait_for(lambda: self.run("systemctl", "is-active", "multi-user.target", check=False) == "active", "boot")

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command in the device and return what it wrote."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-a", *words], capture_output=True, text=True, check=False, timeout=180
        )
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def wait_for(self, condition: object, what: str, seconds: float = WAIT_S) -> None:
        """Wait until a condition holds."""
        end = min(self._end_s, time.monotonic() + seconds)
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < end, f"{self.name}: {what} did not come about"
            time.sleep(0.3)

    def lend(self, port: int, *, inside: int | None = None) -> None:
        """Pass 127.0.0.1:`inside` in the device, the same port where it is not named, on to a port of this machine."""
        listener: list[socket.socket] = []
        thread = threading.Thread(target=self._listen, args=(inside or port, listener))
        thread.start()
        thread.join()
        (self._listener,) = listener
        threading.Thread(target=_pass_on, args=(self._listener, port), daemon=True).start()

    def network(self, *, up: bool) -> None:
        """Bring the network up, or take it away."""
        self.run("ip", "link", "set", "lo", "up" if up else "down")

    def off(self) -> None:
        """Power it off and remove it."""
        with suppress(OSError, subprocess.SubprocessError, AssertionError):
            os.kill(self.leader, signal.SIGRTMIN + 4)  # power off
            self._container.wait(15)
        if self._container.poll() is None:
            self._container.kill()
            self._container.wait()
        if self._listener is not None:
            self._listener.close()
        for place in (self.root, self._folder):
            subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)

    def _find_leader(self) -> int:
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end and self._container.poll() is None:
            for word in children.read_text().split():
                with suppress(OSError):
                    if Path(f"/proc/{word}/comm").read_text().strip() == "systemd":
                        return int(word)
            time.sleep(0.1)
        raise AssertionError(f"{self.name}: systemd did not start")

    def _listen(self, port: int, listener: list[socket.socket]) -> None:
        with open(f"/proc/{self.leader}/ns/net", "rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        listener.append(socket.create_server(("127.0.0.1", port)))


def _pass_on(listener: socket.socket, port: int) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
