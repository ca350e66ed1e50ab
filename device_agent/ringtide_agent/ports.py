"""What the agent needs of the world, by role. Adapters translate every failure into one of the three families."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from ringtide_contract.acceptance import Floor
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import Counters
from ringtide_contract.trust_policy import TrustPolicy

T = TypeVar("T")


class Clock(Protocol):
    """The present."""

    def now(self) -> datetime:
        """Return the aware UTC instant, as the system clock says."""

    def monotonic_s(self) -> float:
        """Return seconds from an arbitrary start that no clock step moves."""

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until `Waker.wake` is called."""


class Snapshot(Protocol):
    """One fetched state of the published tree."""

    commit: str
    """Name of the state, to see whether anything changed."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes.

        Raises:
            TrustError: No such file, or larger.
            TransientError: The source broke off.
        """


class PublicationSource(Protocol):
    """Where publications come from; never trusted."""

    def open(self) -> AbstractContextManager[Snapshot]:
        """Fetch the newest state, within limits of size, memory and time.

        Raises:
            TransientError: Unreachable, too slow, or over a limit.
        """

    def pass_over(self) -> None:
        """What was shown last was refused or broke off: show another source's next time, where there is one."""


class Errand(Protocol):
    """Work that may take minutes, done beside the loop, one piece at a time."""

    def ask(self, work: Callable[[], T]) -> T | None:
        """Return what came of the work under way, once, or raise what it raised; None until it is done.

        Where nothing is under way, begin `work`. Every piece must be of one kind, and bounded in time by itself.
        """


class Trust(Protocol):
    """The TUF client: root chain, timestamp, snapshot, targets, release."""

    def refresh(self, snapshot: Snapshot, now: datetime) -> tuple[TrustPolicy, bytes]:
        """Update the trusted metadata and return the trust policy and the statement's bundle.

        Raises:
            TrustError: Metadata that is not signed, older than seen before, or expired (rule `TUF-EXPIRED`).
            TransientError: The source broke off.
        """


ProbeFailure = Literal["load", "golden", "budget", "requirement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a trial run of a staged release showed."""

    failure: ProbeFailure | None
    """The first thing that went wrong; None where all is well."""
    note: str
    """The figures, for people: `golden difference 0.004 (limit 0.02), p95 210 us (limit 5000), peak 61 MiB`."""
    p95_latency_us: int | None
    """Measured 95th percentile of batch 1."""
    peak_memory_bytes: int | None
    """Measured peak resident memory of the probing process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRelease:
    """A release on this device's disk, ready to load."""

    digest: Digest
    """Digest of the manifest."""
    manifest: Manifest
    """The manifest."""
    files: Mapping[str, str]
    """Artifact name to absolute path of the verified content."""


class Prober(Protocol):
    """Tries a release in a process of its own, under limits, before anything depends on it."""

    def probe(self, release: ServedRelease) -> ProbeResult:
        """Load it, ask it the golden questions, measure latency and memory.

        Raises:
            TransientError: The trial could not be made (no memory for a process, for instance); try again later.
        """


class UnloadableError(InputError):
    """Releases do not load in the worker.

    Attributes:
        models: Model to why; every other model serves as it was asked.
    """

    def __init__(self, models: Mapping[str, str]) -> None:
        """Keep each model's own reason: no model answers for another's."""
        super().__init__("; ".join(f"{model} {why}" for model, why in sorted(models.items())))
        self.models = models


class InferenceService(Protocol):
    """The worker process that serves models; the supervisor owns the socket and the worker's life.

    `shape` is level-triggered: it says what shall be served, and the service gets there from wherever it is.
    """

    def shape(self, served: Sequence["ServedModel"]) -> None:
        """Serve exactly these models; switch without losing a request.

        Raises:
            TransientError: The worker did not come up or did not answer in time.
            UnloadableError: Releases do not load in the worker; their models go on as before, the others change.
        """

    def counters(self) -> tuple[Counters, ...]:
        """Return cumulative counters of every (manifest, serving session) since this supervisor started."""

    def crashes(self, digest: Digest) -> int:
        """Return how often the worker ended unasked since this supervisor started while `digest` was active."""

    def is_silent(self) -> bool:
        """Tell whether the worker left the last question open, so that its counters are those of an earlier moment."""

    def tend(self) -> None:
        """Restart a worker that has ended, with back-off; collect its counters. Call it on every turn of the loop."""

    def stop(self) -> None:
        """End the worker and close the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One model as it shall be served."""

    model: str
    """Model name."""
    active: ServedRelease
    """The release that answers."""
    stable: ServedRelease | None
    """During probation: the earlier release, kept loaded for an instant revert and for comparison on live inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotContent:
    """What a slot holds."""

    manifest: Manifest
    """The manifest."""
    digest: Digest
    """Its digest."""


SlotName = Literal["a", "b"]


class Store(Protocol):
    """The device's disk. Every writing method is durable when it returns, and whole or absent after a power cut."""

    def damage(self) -> tuple[str, ...]:
        """Return what was found to be other than it was written since this process started; it counts as not there."""

    def load_floor(self) -> Floor:
        """Return the newest verified number."""

    def save_floor(self, floor: Floor) -> None:
        """Make the newest verified number durable."""

    def load_journal(self, name: str) -> bytes | None:
        """Return the journal entry called `name`, or None where there is none."""

    def save_journal(self, name: str, content: bytes) -> None:
        """Replace the journal entry called `name`."""

    def models(self) -> tuple[str, ...]:
        """Return the models that have slots."""

    def slot(self, model: str, slot: SlotName) -> SlotContent | None:
        """Return what a slot holds, or None where it is empty or not whole."""

    def active_slot(self, model: str) -> SlotName | None:
        """Return the slot that the model runs from."""

    def write_slot(self, model: str, slot: SlotName, manifest: bytes) -> None:
        """Replace an inactive slot; its artifacts must be among the blobs."""

    def switch(self, model: str, slot: SlotName | None) -> None:
        """Make `slot` the one the model runs from, in one atomic step; None removes the model."""

    def blob_path(self, digest: Digest) -> str | None:
        """Return the path of a whole blob, or None where it is not here."""

    def collect_garbage(self, keep: Sequence[Digest]) -> None:
        """Remove blobs that no slot names and that are not in `keep`."""


class ArtifactSource(Protocol):
    """Fetches artifacts into the store."""

    def fetch(self, artifact: Artifact, memory_bytes: int) -> bool:
        """Tell whether an artifact is in the store; where it is not, begin or go on to bring it, and return at once.

        Its addresses are tried in order, and what is there is resumed. A delta is applied where it is smaller and needs
        no more than `memory_bytes`. What is not asked for any more is given up.

        Raises:
            TrustError: Every source gave other bytes than the digest names.
            TransientError: No source answered, or the disk is full.
        """

    def leave(self, digest: Digest) -> None:
        """End the download of a blob, if there is one; what came is kept."""


class Runtimes(Protocol):
    """The versions of the agent itself on this device, each an archive unpacked; the package's launcher starts one.

    None stands for the version in the package, which is always there.
    """

    @property
    def running(self) -> Digest | None:
        """Archive that this process runs from."""

    @property
    def package(self) -> str:
        """Version of the agent in the package."""

    def fallen(self) -> frozenset[Digest]:
        """Return the archives that were started as often as the launcher does and never got through a turn."""

    def trials(self) -> Mapping[str, int]:
        """Return how often each archive was chosen since one was confirmed or blamed."""

    def probe(self, release: ServedRelease) -> ProbeResult:
        """Unpack a version, let it read this device's configuration and journal, and try the models that run here.

        Raises:
            TransientError: It could not be tried; again later.
        """

    def choose(self, archive: Digest | None, *, blamed: bool = False) -> None:
        """Make the launcher start `archive` next, and what was confirmed last where it does not stand.

        Args:
            archive: What to start.
            blamed: Whether what ran has failed for good, so that earlier trials count no more.

        Raises:
            TransientError: The disk does not take it.
        """

    def stand(self) -> None:
        """Note that this process has got through a turn: its starts are not held against it any more.

        Raises:
            TransientError: The disk does not take it.
        """

    def confirm(self) -> None:
        """Make what runs what the launcher falls back to.

        Raises:
            TransientError: The disk does not take it.
        """


class ReportSink(Protocol):
    """Takes sealed reports to the reports repository."""

    def push(self, device: DeviceId, reports: Mapping[int, bytes]) -> None:
        """Commit reports, by number, to the device's own ref; those the remote has already cost nothing.

        Raises:
            TransientError: Unreachable, or refused; nothing is lost, the reports stay in the outbox.
        """


class Signer(Protocol):
    """Signs with the device's key, wherever the key lies."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, as `ringtide_contract.keys` checks it.

        Raises:
            InputError: A person must act: no such key, a wrong PIN.
            TransientError: What holds the key does not answer.
        """


class Waker(Protocol):
    """A hint that something changed; it only wakes the poll."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self) -> None:
        """Stop listening."""
