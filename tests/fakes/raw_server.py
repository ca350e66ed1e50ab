"""A server that answers with whatever bytes it is told, right or not: what a hostile host does that no library would."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

END = b"\r\n\r\n"


@dataclass
class RawServer:
    """Where it listens, and what it was asked."""

    port: int
    asked: list[bytes] = field(default_factory=list)
    """Heads of the requests, in order."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [head.split(b" ")[1].decode("ascii") for head in self.asked]


def page(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer with its length."""
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close", *headers)
    return b"\r\n".join(lines) + END + body


@contextmanager
def raw_server(answer: Callable[[str], bytes | Iterator[bytes]]) -> Iterator[RawServer]:
    """Serve; `answer` gets the path of a request and returns bytes, or an iterator of them that may never end."""
    listener = socket.create_server(("127.0.0.1", 0))
    made, open_now, ended = RawServer(port=listener.getsockname()[1]), set[socket.socket](), threading.Event()

    def treat(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            open_now.add(connection)
            head = b""
            while END not in head:
                if not (some := connection.recv(65536)):
                    return
                head += some
            made.asked.append(head)
            answered = answer(made.paths[-1])
            for part in (answered,) if isinstance(answered, bytes) else answered:
                if ended.is_set():
                    return
                connection.sendall(part)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                threading.Thread(target=treat, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        for each in (listener, *open_now):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        thread.join(10)
