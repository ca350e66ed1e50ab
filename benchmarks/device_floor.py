"""What an agent costs above the floor: an update beside python-tuf's own client, a minute's idle, an unchanged poll.

Everything is served by nginx on this machine, behind a proxy that counts the bytes of both directions, headers among them.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from statistics import median

import numpy as np
import onnx

from agent.serve.models import Shelf, linear, softmax_golden
from fakes.fault_proxy import FaultProxy, fault_proxy
from fakes.git_origin import GitOrigin
from fakes.publication import BUNDLE_PATH, CLASS_ID, FLEET, KEY, build_publication, steady
from fakes.tuf_repository import TufRepository
from ringtide_contract.ids import parse_device_id
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.trust_policy import STATEMENT_TARGET
from ringtide_engine.adapters.static_mirror import StaticMirror

DEVICE = parse_device_id("cam-001")
MODEL_MIB = 8
ROUNDS, ROUNDS_FULL = 3, 7
IDLE_S, IDLE_FULL_S = 130, 610
POLL_S = 60
END_S = 120.0

_TUF = f"""
import sys, time
from tuf.ngclient import Updater
url, folder, root = sys.argv[1:]
updater = Updater(folder + "/metadata", url + "/metadata/", folder + "/targets", url + "/targets/", bootstrap=open(root, "rb").read())
updater.refresh()
updater.download_target(updater.get_targetinfo({STATEMENT_TARGET!r}))
"""


def measure() -> Iterator[str]:
    """Yield the figures."""
    full = "--full" in sys.argv
    if shutil.which("nginx", path=_PATH) is None:
        yield "SKIPPED: nginx is not installed (apt-get install nginx-light)"
        return
    with tempfile.TemporaryDirectory(prefix="ringtide-floor-") as there, ExitStack() as stack:
        fleet = _Fleet(Path(there), stack)
        yield from _updates(fleet, ROUNDS_FULL if full else ROUNDS)
        yield from _idle(fleet, IDLE_FULL_S if full else IDLE_S)


def _updates(fleet: "_Fleet", rounds: int) -> Iterator[str]:
    ours: list[_Update] = []
    floors: list[tuple[float, int]] = []
    with fleet.agent("update", fleet.mirror_url, poll_s=1) as agent:
        for generation in range(1, rounds + 2):
            update = fleet.update(agent, generation)
            if generation == 1:
                continue  # the first download brings TUF's root and the device's first release
            ours.append(update)
            floors.append(fleet.floor(generation))
    yield f"an update by {MODEL_MIB} MiB, {rounds} rounds in turns         seconds            bytes read and sent, above the artifacts"
    over = [each.bytes - fleet.artifact_bytes for each in ours]
    yield f"python-tuf's client, from its start        {_range([each[0] for each in floors])}  {_count([each[1] - fleet.model_bytes for each in floors])}"
    for name in ("accepted", "fetched", "confirmed"):
        shown = _count(over) if name == "confirmed" else ""
        yield f"ringtide, published to {name:<19} {_range([each.seconds[name] for each in ours])}  {shown}".rstrip()
    yield "of which the wait for the next poll is 1.1 s at most, and probation 1 s at least"


def _idle(fleet: "_Fleet", seconds: int) -> Iterator[str]:
    yield f"idle at a poll every {POLL_S} s, over {seconds} s      CPU of one core   supervisor resident (peak)   each poll"
    begin = fleet.proxy.sent + fleet.proxy.received
    with fleet.agent("mirror", fleet.mirror_url) as mirror, fleet.agent("git", fleet.origin.url) as git:
        for agent in (mirror, git):
            agent.wait_for("Confirmed")
        time.sleep(5)  # the report of it is on its way
        agents = {"from a mirror": mirror, "over Git": git}
        before = {name: agent.cpu_s() for name, agent in agents.items()}
        begin, polls = fleet.proxy.sent + fleet.proxy.received, fleet.proxy.connections
        time.sleep(seconds)
        polls, begin = fleet.proxy.connections - polls, fleet.proxy.sent + fleet.proxy.received - begin
        for name, agent in agents.items():
            share = (agent.cpu_s() - before[name]) / seconds
            resident, peak = agent.memory_mib()
            cost = f"{begin / polls:.0f} bytes ({polls} polls)" if name == "from a mirror" else ""
            yield f"agent, {name:<33} {share:>8.2%}         {resident:5.1f} MiB ({peak:.1f})         {cost}".rstrip()
    yield "goal                                          0.50%          60.0 MiB                     1024 bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    seconds: dict[str, float]
    bytes: int


class _Fleet:
    """The owner's side, and the servers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.now = folder, datetime.now(UTC)
        folder.chmod(0o755)
        self.web = folder / "web"
        (self.web / "blobs").mkdir(parents=True)
        self.tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=self.now)
        (folder / "root.json").write_bytes(self.tuf.trusted_root)
        self.plain = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=self.now)
        (folder / "plain.json").write_bytes(self.plain.trusted_root)
        self.origin = GitOrigin(folder / "fleet.git")
        port = stack.enter_context(_nginx(folder, self.web))
        self.proxy: FaultProxy = stack.enter_context(fault_proxy(port))
        self.mirror_url = f"mirror+{self.proxy.url}/mirror"
        self.shelf = Shelf(folder=folder / "store")
        self.shelf.folder.mkdir()
        self.artifact_bytes = self.model_bytes = 0

    def publish(self, generation: int) -> datetime:
        """Publish one generation with a new model on the mirror and over Git; return the moment."""
        graph = _heavy(generation)
        manifest = self._manifest(graph, generation)
        row = IndexRow(class_id=CLASS_ID, state="active")
        files = build_publication({DEVICE: row}, [steady(manifest)], [manifest], generation, issued_at=self.now)
        self.tuf.publish(files.pop(BUNDLE_PATH), self.now)
        shown = {**files, **self.tuf.files}
        self.origin.commit(shown)
        self.plain.publish(graph, self.now)
        for path, content in self.plain.files.items():
            place = self.web / "plain" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        name = sha1(repr(sorted(shown)).encode() + bytes([generation]), usedforsecurity=False).hexdigest()
        StaticMirror(self.web / "mirror").show(lambda: (name, shown))
        return datetime.now()  # noqa: DTZ005 - the agent's log is in local time, too

    def update(self, agent: "_Agent", generation: int) -> _Update:
        """Publish, and wait until the device has confirmed."""
        before = self.proxy.sent + self.proxy.received
        said = len(agent.said())
        begin = self.publish(generation)
        agent.wait_for("Confirmed", after=said)
        times = {
            name: (agent.time_of(word, after=said) - begin).total_seconds()
            for name, word in (("accepted", "Taken"), ("fetched", "Fetched"), ("confirmed", "Confirmed"))
        }
        return _Update(seconds=times, bytes=self.proxy.sent + self.proxy.received - before)

    def floor(self, generation: int) -> tuple[float, int]:
        """Let python-tuf's client download the same model."""
        folder = self.folder / "tuf" / str(generation)
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        before, begin = self.proxy.sent + self.proxy.received, time.monotonic()
        command = [sys.executable, "-c", _TUF, f"{self.proxy.url}/plain", str(folder), str(self.folder / "plain.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - begin, self.proxy.sent + self.proxy.received - before

    @contextmanager
    def agent(self, name: str, publication: str, poll_s: int = POLL_S) -> Iterator["_Agent"]:
        """Run an agent; where something is published, it begins with that."""
        folder = self.folder / name
        folder.mkdir()
        reports = GitOrigin(folder / "reports.git")
        agent = _Agent(folder)
        agent.call(
            "enroll", "--fleet", FLEET, "--device", DEVICE, "--hardware-class", "bench", "--root",
            f"{self.folder}/root.json", "--publication", publication, "--reports", reports.url,
            "--state-dir", f"{folder}/state", "--serve-port", "0", "--poll-interval", str(poll_s),
        )  # fmt: skip
        config = folder / "state" / "agent.toml"
        config.write_text(re.sub(r"(?m)^# schemes = .*", 'schemes = ["http"]', config.read_text()))
        with agent.running():
            yield agent

    def _manifest(self, graph: bytes, seed: int) -> Manifest:
        made = self.shelf.release(graph, golden=softmax_golden(seed), release=f"1.{seed}.0")
        artifacts = []
        for artifact in made.manifest.artifacts:
            shutil.copy(made.files[artifact.name], self.web / "blobs" / artifact.sha256)
            artifacts.append(replace(artifact, uris=(f"{self.proxy.url}/blobs/{artifact.sha256}",)))
        self.model_bytes, self.artifact_bytes = len(graph), sum(each.size_bytes for each in artifacts)
        terms = Probation(seconds=1, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0)
        return replace(made.manifest, artifacts=tuple(artifacts), probation=terms)


class _Agent:
    """One agent, as people start it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log, self._pid = folder, folder / "said.txt", 0

    def call(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), check=True, capture_output=True, env=_environment())

    @contextmanager
    def running(self) -> Iterator[None]:
        command = self._command("run", "--config", f"{self._folder}/state/agent.toml")
        with self._log.open("wb") as log, subprocess.Popen(command, stderr=log, env=_environment()) as process:
            self._pid = process.pid
            try:
                yield
            finally:
                process.terminate()

    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, event: str, *, after: int = 0) -> None:
        end = time.monotonic() + END_S
        while f"+ {event} ->" not in self.said()[after:]:
            if time.monotonic() > end:
                raise RuntimeError(f"no {event}: {self.said()[-1000:]}")
            time.sleep(0.02)

    def time_of(self, event: str, *, after: int) -> datetime:
        line = next(line for line in self.said()[after:].splitlines() if f"+ {event} ->" in line)
        return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007

    def cpu_s(self) -> float:
        """Return processor seconds of the supervisor, of children that have ended, and of the worker."""
        pids = [self._pid, *_children(self._pid)]
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> tuple[float, float]:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        found = {
            name: int(rest.split()[0]) / 1024
            for name, _, rest in (line.partition(":") for line in lines)
            if "Vm" in name
        }
        return found["VmRSS"], found["VmHWM"]

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "ringtide_agent", *arguments]


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def _heavy(seed: int) -> bytes:
    """Return a model with weights that nothing compresses and nobody uses."""
    model = onnx.load_from_string(linear(seed))
    weights = np.random.default_rng(seed).normal(size=MODEL_MIB * 1024 * 256).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "ballast"))
    return bytes(model.SerializeToString())


@contextmanager
def _nginx(folder: Path, web: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = int(made.getsockname()[1])
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; root {web}; }} }}\n"
    )
    program = str(shutil.which("nginx", path=_PATH))
    command = [program, "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + END_S
            while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < end:
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ORT_DISABLE_TELEMETRY": "1"}


def _range(values: list[float]) -> str:
    return f"{median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


def _count(values: list[int]) -> str:
    return f"{median(values):9,.0f} ({min(values):,} to {max(values):,})"


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
