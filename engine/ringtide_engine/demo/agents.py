"""The demo's devices: enrolled by `ringtide-agent enroll`, run by `ringtide-agent run`, each a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ringtide_contract.errors import TransientError
from ringtide_engine.demo.fleet import FLEET, DeviceFacts

_STOP_S = 15
"""An agent that has not ended by then is killed; its store survives that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the demo keeps its things."""

    folder: Path
    """Everything is below it."""

    @property
    def fleet_repo(self) -> Path:
        """The fleet repository, bare: what a Git host would hold."""
        return self.folder / "fleet.git"

    @property
    def checkout(self) -> Path:
        """The engineer's clone of it."""
        return self.folder / "fleet"

    @property
    def reports_repo(self) -> Path:
        """The reports repository, bare."""
        return self.folder / "reports.git"

    @property
    def store(self) -> Path:
        """The artifact store, a folder."""
        return self.folder / "store"

    def keys(self, custody: str) -> Path:
        """The key folder of one custody."""
        return self.folder / "keys" / custody

    def device(self, device: str) -> Path:
        """The state folder of one device."""
        return self.folder / "devices" / device


class AgentProcess:
    """One device."""

    def __init__(self, facts: DeviceFacts, places: Places) -> None:
        """Give the device a port and a folder."""
        self.facts = facts
        self.port = _free_port()
        self._places = places
        self._folder = places.device(facts.id)
        self._process: subprocess.Popen[bytes] | None = None

    def enroll(self) -> bytes:
        """Enroll the device and return the Device YAML to merge.

        Raises:
            TransientError: The command failed.
        """
        done = subprocess.run(
            [
                *_AGENT, "enroll", "--fleet", FLEET, "--device", self.facts.id,
                "--hardware-class", self.facts.hardware_class, "--label", f"site={self.facts.site}",
                "--root", str(self._places.checkout / "trust" / "1.root.json"),
                "--publication", self._places.fleet_repo.as_uri(), "--reports", self._places.reports_repo.as_uri(),
                "--state-dir", str(self._folder), "--serve-port", str(self.port),
                "--poll-interval", "4", "--report-interval", "5",
            ],
            capture_output=True, check=False, timeout=60, env=_environment(),
        )  # fmt: skip
        if done.returncode != 0:
            raise TransientError(f"ringtide-agent enroll failed for {self.facts.id}: {done.stderr.decode()[-500:]}")
        return done.stdout

    def start(self) -> None:
        """Start the agent; its log goes to a file."""
        with (self._folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_AGENT, "run", "--config", str(self._folder / "agent.toml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True,
            )  # fmt: skip

    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def peak_memory_mib(self) -> float:
        """Return the most resident memory that the process held so far, without its worker; 0 where it does not run."""
        if self._process is None or not self.running():
            return 0.0
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return 0.0
        return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def stop(self) -> None:
        """Ask the agent to end, as a shutdown would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the agent as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_AGENT = (sys.executable, "-m", "ringtide_agent")


def _environment() -> dict[str, str]:
    return {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
