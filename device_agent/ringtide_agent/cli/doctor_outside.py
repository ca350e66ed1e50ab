"""What `ringtide-agent doctor` looks at outside the agent: names, TLS, the service's unit, the kernel's sandbox."""

import fcntl
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ringtide_agent.config import Configuration

ANSWER_S = 10
UNIT = "ringtide-agent.service"


def names(configuration: "Configuration") -> str:
    """Look up every host that the configuration names.

    Raises:
        TransientError: One has no address.
    """
    from ringtide_contract.errors import TransientError

    found = []
    for host, port in sorted({(host, port) for host, port, *_ in _hosts(configuration)}):
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise TransientError(f"{host}: {error.strerror}") from error
        found.append(host)
    return ", ".join(found) or "no host is named"


def chains(configuration: "Configuration") -> str:
    """Shake hands with every host that speaks TLS, with the certificates that are configured.

    Raises:
        TransientError: One does not answer, or its certificate is not trusted here.
    """
    from ringtide_contract.errors import TransientError

    found = []
    for host, port, is_tls, authority, certificate, key in _hosts(configuration):
        if not is_tls:
            continue
        try:
            context = ssl.create_default_context(cafile=authority)
            if certificate is not None:
                context.load_cert_chain(certificate, key)
            with (
                socket.create_connection((host, port), ANSWER_S) as plain,
                context.wrap_socket(plain, server_hostname=host) as spoken,
            ):
                found.append(f"{host}:{port} {spoken.version()}")
        except OSError as error:
            raise TransientError(f"{host}:{port}: {error}") from error
    return ", ".join(dict.fromkeys(found)) or "no host speaks TLS"


def unit(_: "Configuration") -> str:
    """Ask systemd for the service.

    Raises:
        TransientError: It is installed and enabled, but does not run.
    """
    from ringtide_contract.errors import TransientError

    if not Path("/run/systemd/system").is_dir():
        return "no systemd runs here"
    names = ("LoadState", "ActiveState", "UnitFileState", "NRestarts", "StatusText")
    command = ["systemctl", "show", UNIT, *(f"--property={name}" for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if seen.get("LoadState") != "loaded":
        return f"{UNIT} is not installed"
    words = f"{UNIT} is {seen['ActiveState']}, {seen['UnitFileState']}, restarted {seen['NRestarts']} times"
    if seen["ActiveState"] != "active" and seen["UnitFileState"] == "enabled":
        raise TransientError(words)
    return f"{words}; {seen['StatusText']}" if seen["StatusText"] else words


def sandbox(_: "Configuration") -> str:
    """Say how far the kernel can close a worker's world; what it lacks is no failure of this device."""
    from ringtide_agent.serve.landlock import version
    from ringtide_agent.serve.sandbox import lacking

    return "; ".join(lacking()) or f"Landlock {version()}, seccomp filter, no new privileges, resource limits"


def store(configuration: "Configuration") -> str:
    """Look at every model that the disk holds.

    Raises:
        TransientError: What a model runs from is not whole.
    """
    from ringtide_agent.adapters.disk_store import DiskStore
    from ringtide_contract.errors import TransientError

    disk = DiskStore(configuration.state_dir, verify=False)
    found = []
    for model in disk.models():
        slot = disk.active_slot(model)
        content = None if slot is None else disk.slot(model, slot)
        if slot is not None and content is None:
            raise TransientError(f"{model}: the active slot is not whole")
        found.append(f"{model} {'nothing' if content is None else content.manifest.release}")
    return ", ".join(found) or "no models yet"


def answers(host: str, port: int) -> bool:
    """Tell whether an agent serves there."""
    try:
        with socket.create_connection((host, port), 2) as connection:
            connection.settimeout(2)
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def agent_runs(folder: Path) -> bool:
    """Tell whether an agent holds a state folder."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def keys(configuration: "Configuration") -> str:
    """Look at the rights of every key file.

    Raises:
        InputError: One is not there, or others may use it.
    """
    from ringtide_agent.adapters.key_files import require_private
    from ringtide_agent.wiring import key_files

    files = key_files(configuration)
    for path in files:
        require_private(path)
    return ", ".join(os.fspath(path) for path in files)


def _hosts(configuration: "Configuration") -> Iterator[tuple[str, int, bool, str | None, str | None, str | None]]:
    from ringtide_agent.adapters.web_mirror import MirrorAccess

    ports = {"https": 443, "http": 80, "ssh": 22, "mqtts": 8883, "mqtt": 1883}
    for access in (configuration.publication, *configuration.fallbacks, configuration.reports):
        parts = urlsplit(access.url.removeprefix("mirror+"))
        if not parts.hostname or parts.scheme not in ports:
            continue
        place = parts.hostname, parts.port or ports[parts.scheme], parts.scheme in ("https", "mqtts")
        if not isinstance(access, MirrorAccess):
            yield *place, access.tls_authority, access.tls_certificate, access.tls_key
        else:
            yield *place, access.tls.authority, access.tls.certificate, access.tls.key
    for url in _artifact_urls(configuration):
        parts = urlsplit(url)
        if parts.hostname and parts.scheme in ports:
            port = parts.port or ports[parts.scheme]
            yield parts.hostname, port, parts.scheme == "https", configuration.artifact_tls.authority, None, None
    hints = configuration.hints
    if hints is not None:
        yield hints.host, hints.port, hints.tls, hints.files.authority, hints.files.certificate, hints.files.key


def _artifact_urls(configuration: "Configuration") -> Iterator[str]:
    """Yield what is configured of artifact sources; where artifacts themselves lie, publications say."""
    s3 = configuration.s3
    if s3.credentials_file is not None or s3.credentials_url is not None:
        yield s3.endpoint
    yield from (url for url in (s3.credentials_url, configuration.certificate_url) if url is not None)
