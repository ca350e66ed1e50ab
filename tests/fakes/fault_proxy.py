"""A TCP proxy that does to its connections what networks do, and counts the bytes."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["none", "delay", "cut", "reset", "half-open", "trickle", "garbage", "redirects", "endless"]

FAULTS: tuple[Fault, ...] = ("delay", "cut", "reset", "half-open", "trickle", "garbage", "redirects", "endless")

_END = b"\r\n\r\n"


@dataclass
class FaultProxy:
    """One proxy; `fault` may change at any time, and holds for connections made after that."""

    upstream: int
    fault: Fault = "none"
    after_bytes: int = 4000
    """Where `cut` cuts an answer."""
    delay_s: float = 0.3
    port: int = 0
    connections: int = 0
    sent: int = 0
    """Bytes that reached the server."""
    received: int = 0
    """Bytes that came from it."""
    treated: "set[asyncio.Task[None] | None]" = field(default_factory=set)
    """Connections under way: the loop itself holds its tasks weakly, and says so on the terminal when one is gone."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Treat one connection."""
        self.connections += 1
        fault, mine = self.fault, asyncio.current_task()
        self.treated.add(mine)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await self._treat(fault, reader, writer)
            finally:
                writer.close()
                self.treated.discard(mine)

    async def _treat(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if fault == "reset":
            _reset(writer)
            return
        if fault in ("none", "delay", "cut"):
            await asyncio.sleep(self.delay_s if fault == "delay" else 0)
            await self._pass_on(reader, writer, self.after_bytes if fault == "cut" else None)
            return
        await reader.readuntil(_END)
        match fault:
            case "half-open":
                await reader.read()  # for ever, unless the device gives up
            case "trickle":
                await self._repeat(writer, b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 1.0)
            case "garbage":
                writer.write(bytes(range(256)) * 20)
                await writer.drain()
            case "redirects":
                writer.write(
                    f"HTTP/1.1 302 Found\r\nLocation: {self.url}/again\r\nContent-Length: 0{_END.decode()}".encode()
                )
                await writer.drain()
            case "endless":
                await self._repeat(writer, b"HTTP/1.1 200 OK" + _END, bytes(65536), 0.0)

    async def _repeat(self, writer: asyncio.StreamWriter, first: bytes, then: bytes, pause_s: float) -> None:
        writer.write(first)
        for _ in range(100_000):
            await writer.drain()
            await asyncio.sleep(pause_s)
            writer.write(then)
            if writer.is_closing():
                return

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
        other_reader, other = await asyncio.open_connection("127.0.0.1", self.upstream)

        async def ask() -> None:
            while content := await reader.read(65536):
                self.sent += len(content)
                other.write(content)
                await other.drain()
            other.write_eof()

        asking = asyncio.ensure_future(ask())
        try:
            left = most
            while content := await other_reader.read(65536):
                self.received += len(content)
                content = content if left is None else content[:left]
                writer.write(content)
                await writer.drain()
                if left is not None:
                    left -= len(content)
                    if left <= 0:
                        break
        finally:
            asking.cancel()
            other.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fault_proxy(upstream: int) -> Iterator[FaultProxy]:
    """Run a proxy before a port of this machine."""
    proxy, loop = FaultProxy(upstream=upstream), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.handle, "127.0.0.1", 0))
    proxy.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def end() -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
