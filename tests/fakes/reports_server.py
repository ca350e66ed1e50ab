"""The servers that docs/reports-repository.md describes, real ones: nginx with fcgiwrap, and sshd."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes.git_server import Authority
from ringtide_agent.adapters.git_session import GitAccess

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reports-repository.md"
_START_S = 30.0


@dataclass
class ReportsServer:
    """A guarded repository behind both servers."""

    folder: Path
    authority: Authority
    https_port: int
    ssh_port: int

    @property
    def repository(self) -> Path:
        return self.folder / "git" / "reports.git"

    def https(self, who: str, repository: str = "reports.git") -> GitAccess:
        """Return the access of somebody with a client certificate."""
        certificate, key = self.authority.issue(who)
        return GitAccess(
            url=f"https://127.0.0.1:{self.https_port}/{repository}",
            tls_certificate=str(certificate),
            tls_key=str(key),
            tls_authority=str(self.authority.path),
        )

    def ssh(self, who: str, repository: str = "reports.git") -> GitAccess:
        """Return the access of somebody with a line in authorized_keys."""
        key = self.folder / f"{who}.ssh"
        if not key.exists():
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
            line = PAGE.read_text().partition("\nrestrict,")[2].partition(" ssh-ed25519")[0]
            line = line.replace("/srv/git/reports.git", str(self.repository)).replace("cam-1", who)
            with (self.folder / "authorized_keys").open("a") as file:
                file.write(f"restrict,{line} {Path(f'{key}.pub').read_text()}")
        user = pwd.getpwuid(os.geteuid()).pw_name
        return GitAccess(
            url=f"ssh://{user}@127.0.0.1:{self.ssh_port}/{repository}",
            ssh_key=str(key),
            ssh_known_hosts=str(self.folder / "known_hosts"),
        )


def lacking() -> str | None:
    """Say what is not installed."""
    missing = [name for name in ("nginx", "fcgiwrap", "sshd", "ssh") if _program(name) is None]
    return (
        f"not installed: {', '.join(missing)} (apt-get install nginx-light fcgiwrap openssh-server)"
        if missing
        else None
    )


@contextmanager
def reports_server(folder: Path) -> Iterator[ReportsServer]:
    """Serve `folder`/git, in which the caller makes the repositories."""
    authority = Authority(folder)
    made = ReportsServer(folder=folder, authority=authority, https_port=_free_port(), ssh_port=_free_port())
    (folder / "git").mkdir()
    with ExitStack() as stack:
        gateway = folder / "fcgiwrap.socket"
        stack.enter_context(_running(_program("fcgiwrap"), "-s", f"unix:{gateway}", "-c", "4"))
        stack.enter_context(
            _running(_program("nginx"), "-p", str(folder), "-c", str(_nginx(made, gateway)), "-e", "stderr")
        )
        stack.enter_context(_running(_program("sshd"), "-D", "-e", "-f", str(_sshd(made))))
        for port in (made.https_port, made.ssh_port):
            _until_open(port)
        yield made


def _nginx(server: ReportsServer, gateway: Path) -> Path:
    text = PAGE.read_text().partition("```nginx\n")[2].partition("```")[0]
    certificate, key = server.authority.issue("server")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{server.https_port} ssl"),
        ("/etc/ssl/git.example.org.pem", str(certificate)),
        ("/etc/ssl/git.example.org.key", str(key)),
        ("/etc/ssl/devices.pem", str(server.authority.path)),
        ("/usr/lib/git-core/git-http-backend", f"{_said('git', '--exec-path')}/git-http-backend"),
        ("/srv/git", str(server.folder / "git")),
        ("unix:/run/fcgiwrap.socket", f"unix:{gateway}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    user = pwd.getpwuid(os.geteuid()).pw_name
    head = f"{f'user {user};' if os.geteuid() == 0 else ''} daemon off; pid {server.folder}/nginx.pid; events {{}}\n"
    temporary = "".join(
        f"{kind}_temp_path {server.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = server.folder / "nginx.conf"
    path.write_text(f"{head}http {{\naccess_log off;\n{temporary}{text}\n}}\n")
    return path


def _sshd(server: ReportsServer) -> Path:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host = server.folder / "host_key"
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host))
    name, blob = Path(f"{host}.pub").read_text().split()[:2]
    (server.folder / "known_hosts").write_text(f"[127.0.0.1]:{server.ssh_port} {name} {blob}\n")
    (server.folder / "authorized_keys").touch()
    path = server.folder / "sshd_config"
    path.write_text(
        f"ListenAddress 127.0.0.1:{server.ssh_port}\nHostKey {host}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nAuthorizedKeysFile {server.folder}/authorized_keys\nPermitRootLogin prohibit-password\n"
    )
    return path


@contextmanager
def _running(*words: str | None) -> Iterator[None]:
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def _until_open(port: int) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.05)
        else:
            return


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
