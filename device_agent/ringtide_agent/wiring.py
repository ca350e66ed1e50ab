"""The one place that names adapters: a configuration in, an agent over the real world out."""

import logging
import os
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ringtide_agent import __version__
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.background_errand import BackgroundErrand
from ringtide_agent.adapters.background_fetch import BackgroundFetch
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.adapters.git_reports import DEADLINE_S as PUSH_DEADLINE_S
from ringtide_agent.adapters.git_reports import GitReports
from ringtide_agent.adapters.git_session import GitAccess
from ringtide_agent.adapters.git_source import GitSource
from ringtide_agent.adapters.key_files import KeySigner, read_key, require_private
from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.own_versions import from_launcher
from ringtide_agent.adapters.probe_process import ProbeProcess
from ringtide_agent.adapters.sd_notify import Notifier, status_line
from ringtide_agent.adapters.source_order import InOrder, Opens
from ringtide_agent.adapters.system_clock import SystemClock
from ringtide_agent.adapters.text_metrics import TextMetrics
from ringtide_agent.adapters.token_key import TokenSigner, public_token_key
from ringtide_agent.adapters.tuf_trust import TufTrust
from ringtide_agent.adapters.web_mirror import MirrorAccess, WebMirror
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.artifact_wiring import artifact_sources, artifact_tls, throttle
from ringtide_agent.config import Configuration, Hints
from ringtide_agent.equipment import Ports, Settings
from ringtide_agent.loop import Agent
from ringtide_agent.ports import ReportSink, Signer
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.keys import PublicKey

if TYPE_CHECKING:
    from ringtide_agent.adapters.mqtt_waker import MqttWaker

BUILT_AT = datetime(2026, 11, 1, tzinfo=UTC)
"""No honest clock shows an earlier time; raised with every version."""


_log = logging.getLogger("ringtide.agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An agent with what its surroundings need of it."""

    agent: Agent
    """The agent."""
    clock: SystemClock
    """Its clock, to end a sleep."""
    address: tuple[str, int]
    """Host and port that inference is served on."""
    tell: Callable[[], None]
    """Tells the surroundings how the device stands; called once a turn."""
    hinted: threading.Event
    """Set when a hint came; whoever drives the agent passes it on, so that only one thread touches the agent."""


@contextmanager
def running(configuration: Configuration, options: tuple[str, ...] = ()) -> Iterator[Running]:
    """Build an agent, hold its state folder, and end all that it started when the context is left.

    Args:
        configuration: What a person has configured.
        options: Where that stands, as on the command line; another version of the agent is told the same.

    Raises:
        InputError: Another agent holds the folder, the key cannot be read, or the address is not ours to serve on.
        TransientError: The port is taken, or the disk fails.
    """
    _require_own(configuration.state_dir)
    for path in key_files(configuration):
        require_private(path)
    signing = signer(configuration)
    store = DiskStore(configuration.state_dir)
    with store.hold():
        settings = Settings(
            fleet=configuration.fleet,
            device=configuration.device,
            hardware_class=configuration.hardware_class,
            session=secrets.token_hex(8),
            version=__version__,
            onnxruntime=_onnxruntime(),
            built_at=BUILT_AT,
            poll_interval_s=configuration.poll_interval_s,
            report_interval_s=configuration.report_interval_s,
            max_silence_s=configuration.max_silence_s,
            download_windows=configuration.download_windows,
        )
        clock, hinted, notifier = SystemClock(), threading.Event(), Notifier()
        service = WorkerProcess(
            configuration.serve_host, configuration.serve_port, readable=(str(configuration.state_dir / "blobs"),)
        )
        sources = tuple(publication_sources(configuration).values())
        polls = BackgroundErrand("poll", most_s=2 * configuration.fetch_deadline_s * len(sources), wake=clock.wake)
        pushes = BackgroundErrand("push", most_s=2 * PUSH_DEADLINE_S, wake=clock.wake)
        ending = ExitStack()
        try:
            ports = Ports(
                clock=clock,
                source=InOrder(sources),
                trust=TufTrust(str(configuration.trust_dir)),
                store=store,
                artifacts=_artifacts(configuration, store, clock),
                prober=ProbeProcess(),
                service=service,
                sink=ending.enter_context(_sink(configuration, settings.session)),
                polls=polls,
                pushes=pushes,
                signer=signing,
                runtimes=from_launcher(options),
            )
            # Jitter spreads load; nothing rests on its quality.
            agent = Agent(ports, settings, random.random, lambda: _beat(agent, notifier, (polls, pushes)))
            metrics = None
            if configuration.metrics_file is not None:
                metrics = TextMetrics(configuration.metrics_file, configuration.fleet, configuration.device)

            def hint() -> None:
                hinted.set()
                clock.wake()

            with _listening(configuration, hint):
                yield Running(
                    agent=agent,
                    clock=clock,
                    address=service.address,
                    tell=lambda: _tell(agent, notifier, metrics, clock),
                    hinted=hinted,
                )
        finally:
            notifier.stopping()
            for errand in (polls, pushes):
                errand.stop()
            ending.close()
            service.stop()


def _onnxruntime() -> str | None:
    """Return the version beside this agent, without loading it."""
    try:
        return metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:
        return None


def _beat(agent: Agent, notifier: Notifier, errands: tuple[BackgroundErrand, ...]) -> None:
    if agent.serves:
        notifier.ready()
    if not any(errand.is_stuck for errand in errands):
        notifier.alive()


def _tell(agent: Agent, notifier: Notifier, metrics: TextMetrics | None, clock: SystemClock) -> None:
    if agent.seen is None:
        return
    notifier.status(status_line(agent.seen, serving=agent.serves))
    if metrics is None or not metrics.is_due(clock.monotonic_s()):
        return
    ledger = agent.ledger
    try:
        metrics.write(
            agent.seen,
            serving=agent.serves,
            number=ledger.number,
            waiting=len(ledger.outbox),
            now_s=clock.now().timestamp(),
        )
    except TransientError as error:
        _log.warning("the figures were not written: %s", error)


def publication_sources(configuration: Configuration, folder: Path | None = None) -> dict[str, Opens]:
    """Return where publications come from, by address, in order; `folder` keeps what is fetched by Git."""
    found: dict[str, Opens] = {}
    for access in (configuration.publication, *configuration.fallbacks):
        kept = str(folder or configuration.state_dir / "git") + (f"/{len(found)}" if found else "")
        if isinstance(access, MirrorAccess):
            found[access.url] = WebMirror(access, deadline_s=configuration.fetch_deadline_s)
        else:
            found[access.url] = GitSource(access, configuration.branch, kept, deadline_s=configuration.fetch_deadline_s)
    return found


def public_key(configuration: Configuration) -> PublicKey:
    """Return the public half of the device's key.

    Raises:
        InputError: No such key, or it is not ours to use.
        TransientError: The token that holds it does not answer.
    """
    if configuration.token_key is not None:
        return public_token_key(configuration.token_key)
    return read_key(configuration.key_file).public_key()


def signer(configuration: Configuration) -> Signer:
    """Return what signs reports.

    Raises:
        InputError: The key file cannot be read, or is not private. A token is not asked yet: without it the device
            serves on.
    """
    if configuration.token_key is not None:
        return TokenSigner(configuration.token_key)
    return KeySigner(read_key(configuration.key_file))


def key_files(configuration: Configuration) -> tuple[Path, ...]:
    """Return every file that holds a private key, or what opens one."""
    accesses = (configuration.publication, *configuration.fallbacks, configuration.reports)
    hinted = () if configuration.hints is None else (configuration.hints.files.key,)
    named = (
        *(access.tls.key if isinstance(access, MirrorAccess) else access.tls_key for access in accesses),
        *(access.ssh_key for access in accesses if isinstance(access, GitAccess)),
        configuration.artifact_tls.key,
        configuration.s3.credentials_file,
        configuration.registry_logins,
        *hinted,
    )
    token = configuration.token_key
    return (
        configuration.key_file if token is None else token.pin_file,
        *sorted({Path(name) for name in named if name is not None}),
    )


def _require_own(folder: Path) -> None:
    """Refuse to leave files that the service's own user could not use."""
    if os.geteuid() == 0 and folder.exists() and (owner := folder.stat().st_uid) != 0:
        raise InputError(f"{folder} belongs to user {owner}, not to root. fix: systemctl start ringtide-agent")


def _artifacts(configuration: Configuration, store: DiskStore, clock: SystemClock) -> BackgroundFetch:
    fetcher = ArtifactFetcher(
        store,
        sources=artifact_sources(configuration, clock.now),
        tls=artifact_tls(configuration),
        least_rate_bytes_s=configuration.least_rate_bytes_s,
        throttle=throttle(configuration, clock.now),
        reserve_bytes=configuration.disk_reserve_bytes,
    )
    return BackgroundFetch(fetcher, wake=clock.wake)


@contextmanager
def _sink(configuration: Configuration, session: str) -> Iterator[ReportSink]:
    access = configuration.reports
    if not isinstance(access, MqttAccess):
        yield GitReports(access, str(configuration.state_dir / "git"))
        return
    try:
        from ringtide_agent.adapters.mqtt_reports import MqttReports  # here: most devices have no broker
    except ImportError as error:
        raise InputError("[reports] over a broker needs paho-mqtt. fix: pip install 'ringtide[agent]'") from error
    sink = MqttReports(access, fleet=configuration.fleet, device=configuration.device, session=session)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


@contextmanager
def _listening(configuration: Configuration, wake: Callable[[], None]) -> Iterator[None]:
    if configuration.hints is None:
        yield
        return
    waker = make_waker(configuration.hints, configuration.fleet, wake)
    waker.start()
    try:
        yield
    finally:
        waker.stop()


def make_waker(hints: Hints, fleet: str, wake: Callable[[], None]) -> "MqttWaker":
    """Return what listens for hints.

    Raises:
        InputError: The library is missing, or a TLS file cannot be used.
    """
    try:
        from ringtide_agent.adapters.mqtt_waker import Broker, MqttWaker  # here: most devices have no broker
    except ImportError as error:
        raise InputError("[mqtt] needs paho-mqtt. fix: pip install 'ringtide[agent]'") from error
    broker = Broker(
        host=hints.host,
        port=hints.port,
        tls=hints.tls,
        tls_authority=hints.files.authority,
        tls_certificate=hints.files.certificate,
        tls_key=hints.files.key,
    )
    return MqttWaker(broker, fleet, wake, spread_s=hints.spread_s)
