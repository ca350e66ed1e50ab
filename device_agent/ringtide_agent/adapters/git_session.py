"""The supervisor's side of a git child: its environment, its frames, its deadline.

What the child says is as little trusted as the server it talks to: every answer is bounded, and a child that is late or
talks nonsense is killed with every process it started.
"""

import contextlib
import json
import os
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ringtide_contract.errors import InputError, TransientError, TrustError

SCHEMES = ("file", "https", "ssh")
"""Transports that git may use, and only the one that the configured address names."""

MEMORY_BYTES = 768 * 1024 * 1024
"""Address space of each process of a git child; TLS libraries alone map some 200 MiB of it."""

FILE_BYTES = 128 * 1024 * 1024
"""Largest file a git child may write: ends an endless pack."""

CPU_S = 120
"""Processor time of each process of a git child: ends a pack that is costly to unpack."""

FOLDER_BYTES = 256 * 1024 * 1024
"""Disk that one bare repository may take before it is thrown away and fetched again at depth 1."""

FOLDER_FILES = 1000
"""Files of one bare repository, three for each fetched pack: past some hundred packs git gets slow."""

_MAX_NOTE_BYTES = 4096
_FRAME = struct.Struct(">cI")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """How to reach one repository."""

    url: str
    """Address with one of the schemes `file`, `https`, `ssh`, without a password."""
    tls_certificate: str | None = None
    """File of the client certificate."""
    tls_key: str | None = None
    """File of its private key."""
    tls_authority: str | None = None
    """File of the authorities that the server's certificate is checked against; None for the system's."""
    ssh_key: str | None = None
    """File of the ssh private key."""
    ssh_known_hosts: str | None = None
    """File of the known host keys; an unknown host is always refused."""

    def __post_init__(self) -> None:
        """Refuse an address that git must not be given."""
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES:
            raise InputError(f"{self.url!r} is not a repository address: write file://, https:// or ssh://")
        if parts.scheme != "file" and not parts.hostname:
            raise InputError(f"{self.url!r} names no host")
        if parts.password:
            raise InputError("the repository address holds a password: use a client certificate or an ssh key")


def environment(access: GitAccess, home: str) -> dict[str, str]:
    """Return all that a git child may know; nothing else of the supervisor's environment reaches it."""
    settings = {
        "core.hooksPath": "/dev/null",
        "transfer.fsckObjects": "true",
        "fetch.unpackLimit": "1",  # always one pack, so that the limit on file size bounds a whole fetch
        "pack.threads": "1",
        "core.packedGitWindowSize": "1m",
        "core.packedGitLimit": "64m",
        "gc.auto": "0",
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "100",
        "http.lowSpeedTime": "30",
    }
    for name, value in (
        ("http.sslCert", access.tls_certificate),
        ("http.sslKey", access.tls_key),
        ("http.sslCAInfo", access.tls_authority),
    ):
        if value is not None:
            settings[name] = value
    result = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    result |= {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": home,
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": urlsplit(access.url).scheme,
        "GIT_CEILING_DIRECTORIES": str(Path(home).parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": _ssh_command(access),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (name, value) in enumerate(settings.items()):
        result |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return result


class GitSession:
    """One git child with one order; leave the context to end it."""

    def __init__(self, access: GitAccess, order: Mapping[str, object], *, home: str, deadline_s: float) -> None:
        """Start the child and give it its order.

        Args:
            access: How to reach the repository.
            order: What to do; the child gets it with the limits added.
            home: Folder that the repository lies in.
            deadline_s: Seconds for everything the session does.
        """
        self._url = access.url
        self._deadline_s = deadline_s
        self._end = time.monotonic() + deadline_s
        try:
            Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context is left
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "ringtide_agent.adapters.git_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=environment(access, home),
                start_new_session=True,
            )
        except OSError as error:
            raise TransientError(f"no git process can be started: {error}") from error
        assert self._child.stdin is not None  # noqa: S101 - both are pipes, see above
        assert self._child.stdout is not None  # noqa: S101
        self._in, self._out = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._in, False)
        limits = {
            "memory": MEMORY_BYTES,
            "file": FILE_BYTES,
            "cpu": CPU_S,
            "seconds": int(deadline_s) + 5,
            "folder": FOLDER_BYTES,
            "files": FOLDER_FILES,
            "parent": os.getpid(),
        }
        self._order = {**order, "url": access.url, "limits": limits}

    def __enter__(self) -> "GitSession":
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the child and everything it started."""
        self._kill()
        for pipe in (self._child.stdin, self._child.stdout, self._stderr):
            if pipe is not None:
                pipe.close()

    def order(self, limit: int) -> bytes:
        """Send the order and return its answer of at most `limit` bytes.

        Raises:
            TransientError: The child failed, was late, or answered more.
        """
        return self.ask(self._order, limit)

    def ask(self, request: Mapping[str, Any], limit: int) -> bytes:
        """Send a request and return its answer of at most `limit` bytes.

        Raises:
            TrustError: What was asked for is not there, or is larger than the request allows.
            TransientError: The child failed, was late, or answered more.
        """
        self._send(json.dumps(request).encode("ascii") + b"\n")
        kind, size = _FRAME.unpack(self._receive(_FRAME.size))
        if size > (limit if kind == b"." else _MAX_NOTE_BYTES):
            self._kill()
            raise TransientError("the git process answered more than was asked for")
        content = self._receive(size)
        if kind == b".":
            return content
        note = content.decode("utf-8", "replace")
        if kind == b"?":
            raise TrustError("TREE-FILE", note)
        raise TransientError(f"{self._url}: {note}")

    def _send(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            self._await(self._in, writing=True)
            try:
                view = view[os.write(self._in, view) :]
            except BrokenPipeError as error:
                raise self._ended() from error

    def _receive(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._await(self._out, writing=False)
            piece = os.read(self._out, min(size - len(content), 1 << 16))
            if not piece:
                raise self._ended()
            content += piece
        return bytes(content)

    def _await(self, file: int, *, writing: bool) -> None:
        left = self._end - time.monotonic()
        pipes = [file]
        if left > 0 and any(select.select([] if writing else pipes, pipes if writing else [], [], left)):
            return
        self._kill()
        raise TransientError(f"{self._url}: not done within {self._deadline_s:.0f} s")

    def _ended(self) -> TransientError:
        self._kill()
        end = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, end - _MAX_NOTE_BYTES))
        lines = self._stderr.read(_MAX_NOTE_BYTES).decode("utf-8", "replace").strip().splitlines()
        return TransientError(f"{self._url}: the git process ended: {lines[-1][:300] if lines else 'no message'}")

    def _kill(self) -> None:
        if self._child.returncode is None:  # not yet waited for, so the number of its group cannot belong to another
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()


def _ssh_command(access: GitAccess) -> str:
    words = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20"]
    if access.ssh_key is not None:
        words += ["-oIdentitiesOnly=yes", f"-i{access.ssh_key}"]
    if access.ssh_known_hosts is not None:
        words.append(f"-oUserKnownHostsFile={access.ssh_known_hosts}")
    return shlex.join(words)
