"""A web server over a folder, with the ETag that nginx makes: of seconds and size."""

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class StaticServer:
    """What it serves and what it was asked."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    asked: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextmanager
def static_server(folder: Path, host: str = "127.0.0.1") -> Iterator[StaticServer]:
    """Serve a folder."""
    state = StaticServer(folder=folder, host=host)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append(self.path)
            place = folder / self.path.lstrip("/")
            if not place.is_file():
                self.answer(404, b"nothing here", "")
                return
            found = place.stat()
            tag = f'"{int(found.st_mtime):x}-{found.st_size:x}"'
            if self.headers.get("If-None-Match") == tag:
                self.answer(304, b"", tag)
                return
            start = int(self.headers.get("Range", "").removeprefix("bytes=").rstrip("-") or 0)
            self.answer(206 if start else 200, place.read_bytes()[start:], tag, start, found.st_size)

        def answer(self, status: int, body: bytes, tag: str, start: int = 0, size: int = 0) -> None:
            state.statuses.append(status)
            self.send_response(status)
            if tag:
                self.send_header("ETag", tag)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Pass over callers who went away; print what else goes wrong."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    server = Server((host, 0), Handler)
    server.daemon_threads, state.port = True, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
