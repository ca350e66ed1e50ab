"""An OCI registry that is not ours: Debian's docker-registry, over TLS, with logins, tokens or neither."""

import base64
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from fakes.git_server import Authority

PROGRAM = shutil.which("docker-registry")

needs_registry = pytest.mark.skipif(
    PROGRAM is None, reason="docker-registry is missing: apt-get install docker-registry"
)

START_S = 30
USER, PASSWORD = "fleet", "a-password-of-tests"
_HTPASSWD = "fleet:$2b$05$LuHZIrwjg3IBLxcX/yZb6e2aBkwOvLKFHuGVFJusH7ZibrpMXvMPa"
SERVICE, ISSUER = "test registry", "test tokens"


@dataclass(kw_only=True)
class Seen:
    """What a TLS server of ours was asked."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and `Authorization` of every request."""
    answer: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """Path to status, headers and content."""


@contextmanager
def tls_server(authority: Authority, **answers: tuple[int, dict[str, str], bytes]) -> Iterator[Seen]:
    """Serve what is told over TLS; each answer may be changed meanwhile."""
    seen = Seen(answer={f"/{path}": answer for path, answer in answers.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.asked.append((self.path, self.headers.get("Authorization", "")))
            status, headers, content = seen.answer.get(self.path.partition("?")[0], (404, {}, b""))
            start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if status == 200 else 0
            self.send_response(206 if start else status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            for name, value in {**headers, "Content-Length": str(len(content) - start)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[start:])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler, authority) as port:
        seen.url = f"https://127.0.0.1:{port}"
        yield seen


@contextmanager
def registry(folder: Path, authority: Authority, *, htpasswd: bool = False, token_realm: str = "") -> Iterator[str]:
    """Run one; yields its host and port."""
    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = authority.issue("registry")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    document: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "secret": "of tests",
            "tls": {"certificate": str(certificate), "key": str(key)},
        },
    }
    if htpasswd:
        (folder / "htpasswd").write_text(_HTPASSWD + "\n")
        document["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    if token_realm:
        document["auth"] = {
            "token": {
                "realm": token_realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(authority.path),
            }
        }
    (folder / "config.yml").write_text(json.dumps(document))  # JSON is YAML
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen([PROGRAM, "serve", str(folder / "config.yml")], stdout=said, stderr=said)
    try:
        _wait(process, port, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_S)


def collect_garbage(folder: Path) -> str:
    """Throw away what no manifest names, untagged manifests too, as the registry's owner does."""
    assert PROGRAM is not None
    words = [PROGRAM, "garbage-collect", "--delete-untagged", str(folder / "config.yml")]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@contextmanager
def token_service(authority: Authority, *, expires_in: int = 300) -> Iterator[Seen]:
    """Give tokens to whoever logs in, as https://distribution.github.io/distribution/spec/auth/token/ says."""
    certificate, key_file = authority.issue("tokens")
    key = load_pem_private_key(key_file.read_bytes(), None)
    chain = [
        base64.b64encode(x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)).decode()
    ]
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Authorization", "")
            seen.asked.append((self.path, said))
            asked = parse_qs(urlsplit(self.path).query)
            kind, name, actions = asked["scope"][0].split(":")
            good = said == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            now = int(time.time())
            claims = {
                "iss": ISSUER,
                "sub": USER,
                "aud": asked["service"][0],
                "exp": now + 300,
                "nbf": now - 10,
                "iat": now,
                "jti": str(len(seen.asked)),
                "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
            }
            token = jwt.encode(claims, key, algorithm="ES256", headers={"x5c": chain})  # type: ignore[arg-type]
            content = json.dumps({"token": token, "expires_in": expires_in}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler, authority) as port:
        seen.url = f"https://127.0.0.1:{port}/token"
        yield seen


def logins(folder: Path, host: str, password: str = PASSWORD) -> Path:
    """Write a file as `docker login` does."""
    path = folder / "config.json"
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return path


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], authority: Authority) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"docker-registry does not listen: {log.read_text()[-2000:]}")
