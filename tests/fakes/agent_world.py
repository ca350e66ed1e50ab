"""The agent's other ports for tests; each can inject a failure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from fakes.agent_store import MemoryStore
from fakes.publication import BUNDLE_PATH, FLEET, HARDWARE_CLASS, START, Publisher, artifact_content, trust_policy
from ringtide_agent.equipment import Ports, Settings
from ringtide_agent.loop import Agent
from ringtide_agent.ports import Errand, ProbeFailure, ProbeResult, ServedModel, ServedRelease, Snapshot, Store
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import RingtideError, TransientError, TrustError
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.keys import generate, sign
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import Counters, Report, open_report
from ringtide_contract.sketch import EMPTY
from ringtide_contract.trust_policy import TrustPolicy

T = TypeVar("T")
DEVICE = DeviceId("crane-07")
DEVICE_KEY = generate()


class FakeClock:
    """A clock that moves only when told; both kinds of time move together unless stepped."""

    def __init__(self, now: datetime = START) -> None:
        self.wall, self.mono = now, 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic_s(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds


@dataclass
class MemorySnapshot:
    """Files by path."""

    files: Mapping[str, bytes]
    commit: str

    def read(self, path: str, limit: int) -> bytes:
        content = self.files.get(path)
        if content is None or len(content) > limit:
            raise TrustError("SNAPSHOT-FILE", f"{path} is missing or larger than {limit} bytes")
        return content


@dataclass
class MemorySource:
    """Shows what was put into `files`."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    failure: TransientError | None = None
    opened: int = 0
    passed_over: int = 0

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        self.opened += 1
        if self.failure is not None:
            raise self.failure
        yield MemorySnapshot(self.files, sha256(self.files[BUNDLE_PATH]))

    def pass_over(self) -> None:
        self.passed_over += 1


@dataclass
class FakeTrust:
    """Believes the bundle of the snapshot, or refuses."""

    policy: TrustPolicy = field(default_factory=trust_policy)
    failure: RingtideError | None = None

    def refresh(self, snapshot: Snapshot, now: datetime) -> tuple[TrustPolicy, bytes]:
        if self.failure is not None:
            raise self.failure
        return self.policy, snapshot.read(BUNDLE_PATH, 64 * 1024)


@dataclass
class MemoryArtifacts:
    """Fetches made-up artifacts into a memory store."""

    store: MemoryStore
    failure: RingtideError | None = None
    turns: int = 0
    """Turns of the loop that the next artifacts take."""
    fetched: list[str] = field(default_factory=list)
    left: list[Digest] = field(default_factory=list)

    def fetch(self, artifact: Artifact, memory_bytes: int) -> bool:
        if self.failure is not None:
            raise self.failure
        if self.turns > 0:
            self.turns -= 1
            return False
        self.fetched.append(artifact.uris[0])
        self.store.put_blob(artifact_content(artifact.uris[0].removeprefix("memory:")))
        return True

    def leave(self, digest: Digest) -> None:
        self.left.append(digest)


@dataclass
class ScriptedProber:
    """Fails the releases it is told to."""

    failures: dict[str, ProbeFailure] = field(default_factory=dict)
    trouble: TransientError | None = None
    probed: list[str] = field(default_factory=list)

    def probe(self, release: ServedRelease) -> ProbeResult:
        self.probed.append(release.manifest.release)
        if self.trouble is not None:
            raise self.trouble
        failure = self.failures.get(f"{release.manifest.release}#{release.manifest.attempt}")
        return ProbeResult(failure=failure, note=failure or "p95 210 us", p95_latency_us=210, peak_memory_bytes=1 << 20)


@dataclass
class FakeService:
    """Remembers shapes; counters and crashes are set by the test."""

    shapes: list[tuple[ServedModel, ...]] = field(default_factory=list)
    failure: RingtideError | None = None
    figures: dict[Digest, dict[str, int]] = field(default_factory=dict)
    crashed: dict[Digest, int] = field(default_factory=dict)
    tended: int = 0
    silent: bool = False

    def shape(self, served: Sequence[ServedModel]) -> None:
        if self.failure is not None:
            raise self.failure
        self.shapes.append(tuple(served))

    def counters(self) -> tuple[Counters, ...]:
        return tuple(self._counters(digest, figures) for digest, figures in self.figures.items())

    def crashes(self, digest: Digest) -> int:
        return self.crashed.get(digest, 0)

    def is_silent(self) -> bool:
        return self.silent

    def tend(self) -> None:
        self.tended += 1

    def stop(self) -> None:
        pass

    def serves(self) -> dict[str, str]:
        """Return model to release, as the last shape said."""
        return {item.model: item.active.manifest.release for item in (self.shapes[-1] if self.shapes else ())}

    def _counters(self, digest: Digest, figures: Mapping[str, int]) -> Counters:
        zero = dict.fromkeys(("requests", "failures", "over_budget", "compared", "agreed", "crashes"), 0)
        return Counters(manifest=digest, session="s1", peak_memory_bytes=1, latency=EMPTY, **{**zero, **figures})


@dataclass
class FakeSink:
    """Takes reports, or fails."""

    failure: TransientError | None = None
    taken: dict[int, bytes] = field(default_factory=dict)
    device: DeviceId = DEVICE

    def push(self, device: DeviceId, reports: Mapping[int, bytes]) -> None:
        if self.failure is not None:
            raise self.failure
        for number, sealed in reports.items():
            assert self.taken.setdefault(number, sealed) == sealed, "one number, two reports"

    def reports(self) -> list[Report]:
        """Return every report taken, opened with the device's key, in order."""
        key = DEVICE_KEY.public_key()
        return [
            open_report(self.taken[number], key, fleet=FLEET, device=self.device)[0] for number in sorted(self.taken)
        ]


class AtOnce:
    """Does errands on the spot."""

    def ask(self, work: Callable[[], T]) -> T | None:
        return work()


class Later:
    """Does an errand when the test says so."""

    def __init__(self) -> None:
        self._work: Callable[[], object] | None = None
        self._end: Callable[[], object] | None = None
        self.begun = 0

    def ask(self, work: Callable[[], T]) -> T | None:
        if self._end is not None:
            end, self._end, self._work = self._end, None, None
            return end()  # type: ignore[return-value]
        if self._work is None:
            self._work, self.begun = work, self.begun + 1
        return None

    def finish(self) -> None:
        """Do what is under way; the next question gets its answer."""
        assert self._work is not None
        self._end = self._work


@dataclass
class FakeSigner:
    """Signs with the device's key, or fails."""

    failure: RingtideError | None = None

    def sign(self, message: bytes) -> bytes:
        if self.failure is not None:
            raise self.failure
        return sign(DEVICE_KEY, message)


class World:
    """One device with everything around it."""

    def __init__(self, store: MemoryStore | None = None, device: DeviceId = DEVICE) -> None:
        self.store = store or MemoryStore()
        self.clock = FakeClock()
        self.source, self.trust, self.sink = MemorySource(), FakeTrust(), FakeSink(device=device)
        self.artifacts, self.signer = MemoryArtifacts(self.store), FakeSigner()
        self.prober, self.service = ScriptedProber(), FakeService()
        self.publisher = Publisher(device=device)
        self.settings = Settings(
            fleet=FLEET,
            device=device,
            hardware_class=HARDWARE_CLASS,
            session="run-1",
            version="0.1.0",
            built_at=START - timedelta(days=30),
        )
        self.polls: Errand = AtOnce()
        self.pushes: Errand = AtOnce()
        self.agent = self.start()

    def start(self, other_store: Store | None = None) -> Agent:
        """Start an agent on what is on the disk; the service starts anew with it."""
        self.service = FakeService(failure=self.service.failure)
        ports = Ports(
            clock=self.clock,
            source=self.source,
            trust=self.trust,
            store=other_store or self.store,
            artifacts=self.artifacts,
            prober=self.prober,
            service=self.service,
            sink=self.sink,
            polls=self.polls,
            pushes=self.pushes,
            signer=self.signer,
        )
        self.agent = Agent(ports, self.settings, lambda: 0.5)
        return self.agent

    def publish(self, *class_files: object, manifests: Sequence[Manifest], **options: object) -> None:
        """Show the next generation at the source."""
        self.source.files = self.publisher.publish(*class_files, manifests=manifests, **options)  # type: ignore[arg-type]

    def turn(self, seconds: float = 61) -> None:
        """Let time pass and make a turn."""
        self.clock.pass_s(seconds)
        self.agent.tick(self.clock.now())

    def turns(self, count: int, seconds: float = 61) -> None:
        """Make several turns."""
        for _ in range(count):
            self.turn(seconds)

    def state(self, model: str = "digits") -> str:
        """Return the name of a model's state."""
        return type(self.agent._models.records[model].state).__name__

    def reason(self, model: str = "digits") -> str:
        """Return why a model stands where it stands."""
        return self.agent._models.records[model].state.reason

    def runs(self, model: str = "digits") -> str | None:
        """Return the release that a model runs from on the disk."""
        slot = self.store.active_slot(model)
        content = None if slot is None else self.store.slot(model, slot)
        return None if content is None else content.manifest.release

    def conditions(self) -> set[str]:
        """Return the types of conditions that hold now."""
        return {item.type for item in self.agent._conditions(self.clock.now())}

    def frozen(self) -> tuple[object, ...]:
        """Return everything on the disk that a refusal must not change."""
        journal = {name: content for name, content in self.store.journal.items() if name != "reports"}
        return dict(self.store.active), self.store.floor, journal, dict(self.store.slots)
