"""HTTP/1.1 on an inherited listening socket: h11 parses, asyncio moves bytes, everything is bounded."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import h11

MAX_HEAD_BYTES = 16 * 1024
"""Request line and headers."""

MAX_BODY_BYTES = 16 * 1024 * 1024
"""One request: a 640 x 640 colour picture in JSON takes about 10 MB."""

MAX_BODIES_BYTES = 64 * 1024 * 1024
"""All bodies being received or answered."""

MAX_CONNECTIONS = 128
"""Half of the descriptors that the sandbox allows. Beyond, a new one takes the place of the one that is idle for longest."""

IDLE_S = 60.0
"""Longest wait for the next request head on a connection."""

BODY_S = 30.0
"""Longest wait for a body."""

WRITE_S = 30.0
"""Longest wait for a caller to take the answer."""

LINGER_S = 2.0
"""How long the rest of a refused body is read, so that the caller sees the answer rather than a reset."""

CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    """`GET`, `POST` and the like."""
    path: str
    """Path, with the query if there is one."""
    body: bytes
    """The content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered; the content is JSON."""

    status: HTTPStatus
    """The status."""
    body: bytes
    """The content."""


def document(status: HTTPStatus, value: Mapping[str, object]) -> Response:
    """Return an answer with a JSON object."""
    return Response(status=status, body=json.dumps(value, separators=(",", ":")).encode())


def problem(status: HTTPStatus, error: str) -> Response:
    """Return an error as the Open Inference Protocol has it."""
    return document(status, {"error": error})


class _RefusedError(Exception):
    """The request is answered without reading more of it; the connection ends."""

    def __init__(self, status: HTTPStatus, error: str) -> None:
        super().__init__(error)
        self.response = problem(status, error)


class HttpServer:
    """Serves one listening socket, TCP or Unix; it accepts and never connects."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        """Answer requests with `answer`."""
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.StreamWriter, None] = {}
        self._draining = False
        self._body_bytes = 0

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=CHUNK)

    async def drain(self, seconds: float) -> None:
        """Stop accepting, close idle connections, and give the others so long to finish."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._idle):
            writer.close()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has one
        if len(self._tasks) >= MAX_CONNECTIONS and self._idle:
            self._close_longest_idle()  # who holds connections and asks nothing shall keep nobody away
        elif len(self._tasks) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the caller has gone, or has not said anything for too long
        finally:
            self._tasks.discard(task)
            writer.close()

    def _close_longest_idle(self) -> None:
        writer = next(iter(self._idle))
        del self._idle[writer]
        writer.transport.abort()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Take one request and answer it; say whether the connection goes on."""
        self._idle[writer] = None
        try:
            head = await _next_event(connection, reader, IDLE_S)
        except h11.RemoteProtocolError as error:
            response = problem(HTTPStatus(error.error_status_hint), f"not HTTP/1.1: {error}")
            await self._send(connection, writer, response, last=True)
            return False
        finally:
            self._idle.pop(writer, None)
        if not isinstance(head, h11.Request):
            return False
        held = bytearray()
        try:
            await self._receive(connection, reader, writer, head, held)
            request = Request(method=head.method.decode(), path=head.target.decode("latin-1"), body=bytes(held))
            response = await self._answer(request)
        except _RefusedError as refused:
            await self._send(connection, writer, refused.response, last=True)
            await _linger(reader, writer)
            return False
        finally:
            self._body_bytes -= len(held)
        if head.method == b"HEAD":  # RFC 9110, 9.3.2: such an answer has no content
            response = Response(status=response.status, body=b"")
        last = self._draining or connection.their_state is h11.MUST_CLOSE
        await self._send(connection, writer, response, last=last)
        return not last and connection.our_state is h11.DONE

    async def _receive(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        head: h11.Request,
        held: bytearray,
    ) -> None:
        length = next((int(value) for name, value in head.headers if name == b"content-length"), 0)
        if length > MAX_BODY_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of {length} bytes; {MAX_BODY_BYTES} go")
        if connection.they_are_waiting_for_100_continue:
            writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        try:
            async with asyncio.timeout(BODY_S):
                while isinstance(event := await _next_event(connection, reader, BODY_S), h11.Data):
                    if len(held) + len(event.data) > MAX_BODY_BYTES:
                        limit = f"the body is larger than {MAX_BODY_BYTES} bytes"
                        raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
                    if self._body_bytes + len(event.data) > MAX_BODIES_BYTES:
                        raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests; try later")
                    held += event.data
                    self._body_bytes += len(event.data)
        except TimeoutError as error:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, f"no whole body within {BODY_S:g} s") from error
        except h11.RemoteProtocolError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"not HTTP/1.1: {error}") from error

    async def _send(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, response: Response, *, last: bool
    ) -> None:
        headers = [("content-type", "application/json"), ("content-length", str(len(response.body)))]
        if last:
            headers.append(("connection", "close"))
        head = connection.send(h11.Response(status_code=response.status, headers=headers)) or b""
        body = connection.send(h11.Data(data=response.body)) or b""
        end = connection.send(h11.EndOfMessage()) or b""
        writer.write(head + body + end)
        async with asyncio.timeout(WRITE_S):
            await writer.drain()


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader, seconds: float) -> object:
    async with asyncio.timeout(seconds):
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
    return event


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if writer.can_write_eof():
        writer.write_eof()
    budget = 2 * MAX_BODY_BYTES
    async with asyncio.timeout(LINGER_S):
        while budget > 0 and (chunk := await reader.read(CHUNK)):
            budget -= len(chunk)
