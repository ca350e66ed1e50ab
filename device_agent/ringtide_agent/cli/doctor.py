"""`ringtide-agent doctor`: look at everything the agent needs, one line each."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from ringtide_agent.cli.options import Source, config_options

if TYPE_CHECKING:
    from ringtide_agent.config import Configuration

REPORTS_S, BROKER_S = 30, 10
"""For what answers within a second where it answers at all."""

RUNTIME_S = 30
"""For the child that imports onnxruntime; a small device with a cold disk takes some seconds."""

_RUNTIME = (
    "import onnxruntime as r; print(r.__version__, ', '.join(p.removesuffix('ExecutionProvider') "
    "for p in r.get_available_providers()))"
)


@click.command()
@config_options
def doctor(source: Source) -> int:
    """Check keys, trust, disk, network, repositories, broker, runtime, sandbox, clock, port and unit."""
    from ringtide_contract.errors import RingtideError

    configuration = source.read()
    failures = 0
    for name, check, fix in _checks(configuration):
        try:
            click.echo(f"[ok]   {name}: {check()}")
        except (RingtideError, OSError, subprocess.SubprocessError) as error:
            failures += 1
            said, _, own = " ".join(str(error).split()).partition(" fix: ")
            click.echo(f"[fail] {name}: {said}\n       fix: {own or fix}")
    return 1 if failures else 0


def _checks(configuration: "Configuration") -> Iterator[tuple[str, Callable[[], str], str]]:
    from ringtide_agent.cli import doctor_outside as outside

    folder = configuration.state_dir
    yield "key", lambda: _key(configuration), "enroll this device again, or chmod 600 the key file"
    yield "trust", lambda: _trust(configuration), f"put the fleet's trust/1.root.json at {folder}/trust/root.json"
    yield "disk", lambda: _disk(configuration), f"make {folder} writable and leave more space than the reserve"
    yield (
        "store",
        lambda: outside.store(configuration),
        "the agent fetches it again by itself; see `ringtide-agent status`",
    )
    yield "rights", lambda: outside.keys(configuration), "chmod 600 the key file, or name the right one"
    yield "names", lambda: outside.names(configuration), "see the resolver of this device, and the addresses configured"
    yield "tls", lambda: outside.chains(configuration), "see the tls_ files configured, the clock, and the server"
    yield "publication", lambda: _publication(configuration), "see url and branch of [publication], and the network"
    yield (
        "reports",
        lambda: _reports(configuration),
        "see url and the tls_ or ssh_ files of [reports]; is the device known there?",
    )
    yield (
        "broker",
        lambda: _broker(configuration),
        "see host, port and the tls_ files of [mqtt], and what the broker lets this device read",
    )
    yield "clock", lambda: _clock(configuration), "set the clock, or start a time service"
    yield "runtime", _runtime, "install the agent's package again, or pip install 'ringtide[agent]'"
    yield "sandbox", lambda: outside.sandbox(configuration), "-"
    yield "unit", lambda: outside.unit(configuration), "journalctl -u ringtide-agent"
    yield (
        "port",
        lambda: _port(configuration),
        "end what listens there, or set host and port in [serve] to free ones of this device",
    )


def _key(configuration: "Configuration") -> str:
    from ringtide_agent.wiring import public_key
    from ringtide_contract.keys import key_hint

    token = configuration.token_key
    place = configuration.key_file if token is None else f"token {token.token}, key {token.label}"
    return f"{key_hint(public_key(configuration))} in {place}"


def _trust(configuration: "Configuration") -> str:
    from ringtide_agent.adapters.enrolment_files import read_root

    root = read_root(configuration.trust_dir / "root.json")
    return f"root version {root.version}, {root.roles['root'].threshold} of {len(root.roles['root'].keyids)} keys"


def _disk(configuration: "Configuration") -> str:
    from ringtide_contract.errors import TransientError

    probe = configuration.state_dir / ".doctor"
    probe.write_bytes(b"ok")
    probe.unlink()
    disk = os.statvfs(configuration.state_dir)
    free = disk.f_bavail * disk.f_frsize
    if free < configuration.disk_reserve_bytes:
        raise TransientError(
            f"{free >> 20} MiB free, below the reserve of {configuration.disk_reserve_bytes >> 20} MiB"
        )
    return f"{configuration.state_dir}, {free >> 20} MiB free"


def _publication(configuration: "Configuration") -> str:
    from ringtide_agent.wiring import publication_sources

    found = []
    with TemporaryDirectory() as folder:  # root may look, and leaves nothing that the service could not use
        for url, source in publication_sources(configuration, Path(folder)).items():
            with source.open() as snapshot:
                found.append(f"{url} at {snapshot.commit[:12]}")
    return ", ".join(found)


def _reports(configuration: "Configuration") -> str:
    from ringtide_agent.adapters.git_reports import GitReports
    from ringtide_agent.adapters.git_session import GitAccess
    from ringtide_contract.errors import TransientError

    access = configuration.reports
    if not isinstance(access, GitAccess):
        if access.is_tls:
            return f"{access.url}, a broker: see tls"
        try:
            socket.create_connection((access.host, access.port), BROKER_S).close()
        except OSError as error:
            raise TransientError(f"{access.url}: {error.strerror}") from error
        return f"{access.url}, a broker that takes connections"
    with TemporaryDirectory() as folder:
        tip = GitReports(access, folder, deadline_s=REPORTS_S).tip(configuration.device)
    return f"{access.url}, {'no report yet' if tip is None else f'last at {tip[:12]}'}"


def _broker(configuration: "Configuration") -> str:
    from ringtide_agent.wiring import make_waker

    hints = configuration.hints
    if hints is None:
        return "none is configured: this device polls by time alone"
    topic = make_waker(hints, configuration.fleet, lambda: None).try_out(BROKER_S)
    return f"{hints.host}:{hints.port} gives {topic}"


def _clock(configuration: "Configuration") -> str:
    from ringtide_agent.adapters.disk_store import DiskStore
    from ringtide_agent.adapters.system_clock import SystemClock
    from ringtide_agent.journal import ORDERS_ENTRY
    from ringtide_agent.orders import Orders
    from ringtide_agent.wiring import BUILT_AT
    from ringtide_contract.errors import TransientError

    now, entry = SystemClock().now(), DiskStore(configuration.state_dir, verify=False).load_journal(ORDERS_ENTRY)
    floor = BUILT_AT if entry is None else max(BUILT_AT, Orders.decode(entry).issued_at)
    if now < floor:
        raise TransientError(f"{now:%Y-%m-%d %H:%M} UTC, but it is {floor:%Y-%m-%d %H:%M} UTC at least")
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _runtime() -> str:
    from ringtide_agent.adapters.child_process import child_environment
    from ringtide_contract.errors import TransientError

    command = [sys.executable, "-P", "-c", _RUNTIME]
    done = subprocess.run(command, env=child_environment(), capture_output=True, timeout=RUNTIME_S, check=False)
    if done.returncode != 0:
        raise TransientError(f"onnxruntime does not load: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}")
    return f"onnxruntime {done.stdout.decode('utf-8', 'replace').strip()}"


def _port(configuration: "Configuration") -> str:
    place = (configuration.serve_host, configuration.serve_port)
    family = socket.AF_INET6 if ":" in configuration.serve_host else socket.AF_INET
    try:
        socket.create_server(place, family=family).close()
    except OSError as error:
        from ringtide_agent.cli.doctor_outside import agent_runs, answers
        from ringtide_contract.errors import TransientError

        if answers(*place):
            return f"{place[0]}:{place[1]} is served"
        if agent_runs(configuration.state_dir):
            return f"{place[0]}:{place[1]} is taken, by the agent that runs here as far as can be seen; it serves nothing now"
        raise TransientError(f"{place[0]}:{place[1]}: {error.strerror}") from error
    return f"{place[0]}:{place[1]} is free"
