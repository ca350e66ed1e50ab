"""What one agent is made of: its ports and its settings; wiring fills them in."""

from dataclasses import dataclass
from datetime import datetime

from ringtide_agent.download_windows import DownloadWindow
from ringtide_agent.ports import (
    ArtifactSource,
    Clock,
    Errand,
    InferenceService,
    Prober,
    PublicationSource,
    ReportSink,
    Runtimes,
    Signer,
    Store,
    Trust,
)
from ringtide_contract.ids import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, by role."""

    clock: Clock
    """The present."""
    source: PublicationSource
    """Publications."""
    trust: Trust
    """The TUF client."""
    store: Store
    """The disk."""
    artifacts: ArtifactSource
    """Artifacts."""
    prober: Prober
    """Trial runs."""
    service: InferenceService
    """What serves."""
    sink: ReportSink
    """Where reports go."""
    polls: Errand
    """Does the polls."""
    pushes: Errand
    """Does the pushes of reports."""
    signer: Signer
    """Signs reports."""
    runtimes: Runtimes | None = None
    """The versions of the agent itself; None where no launcher started it, so that it cannot change its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person has configured."""

    fleet: str
    """The fleet this device is enrolled in."""
    device: DeviceId
    """Its id."""
    hardware_class: str
    """Its hardware class; manifests for another are refused."""
    session: str
    """Random name of this run of the agent."""
    version: str
    """Version of the agent."""
    onnxruntime: str | None = None
    """Version of onnxruntime beside it; None where there is none."""
    built_at: datetime
    """When the agent was built: no honest clock shows an earlier time."""
    poll_interval_s: int = 60
    """Seconds between polls."""
    report_interval_s: int = 900
    """Least seconds between reports of counters alone; a change of state is reported at once."""
    max_silence_s: int = 24 * 3600
    """Most seconds between reports."""
    rollout_silence_s: int = 3600
    """Most seconds between reports while a rollout reaches this device."""
    download_windows: tuple[DownloadWindow, ...] = ()
    """When artifacts are downloaded; none means at any time."""
