"""Entry of the serving process: it inherits a listening socket and a control channel, and opens nothing itself.

`python -m ringtide_agent.serve.worker --listen-fd N --control-fd M --session NAME --parent PID --readable FOLDER`. Models
are read beneath the folders that are readable, and nothing else is opened. It begins to accept once the first shape stands, so that
callers of a restarted worker wait in the socket's queue instead of hearing that a model is unknown. It ends when the control
channel closes, after the requests in flight.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ringtide_agent.serve.control import MAX_LINE_BYTES, Answer, Count, Shape, decode_command, encode_line
from ringtide_agent.serve.sandbox import bound_data, close_world, confine_worker
from ringtide_contract.errors import InputError

DRAIN_S = 5.0
"""How long requests in flight may go on once the control channel has closed."""

LEAKED_SHARE = 0.9
"""A worker that holds so much of what it may, for so long, has leaked: it ends before every request fails, and the next begins
with nothing. One large request that fails gives its memory back at once."""

LEAKED_S = 5.0

INFERENCE_THREADS = 4
"""Above the cores of most devices more threads only wait for one another."""


async def _serve(listener: socket.socket, control: socket.socket, session: str, readable: Sequence[str]) -> None:
    # Imported within the limits of the sandbox, and after them: nothing of the runtime runs unconfined.
    from ringtide_agent.serve.endpoints import Endpoints
    from ringtide_agent.serve.http_server import HttpServer
    from ringtide_agent.serve.lineup import Lineup
    from ringtide_agent.serve.resident import data_bytes
    from ringtide_agent.serve.sampling import Sampler

    close_world(readable)
    lineup = Lineup(session)
    pool = ThreadPoolExecutor(min(INFERENCE_THREADS, os.cpu_count() or 1), "inference")
    endpoints = Endpoints(lineup, pool, Sampler())
    server = HttpServer(endpoints.answer)
    reader, writer = await asyncio.open_connection(sock=control, limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _complain(context.get("exception"), str(context.get("message"))))
    threading.excepthook = lambda given: _complain(given.exc_value, f"the thread {given.thread and given.thread.name}")
    loop.add_signal_handler(signal.SIGTERM, reader.feed_eof)
    shaping, accepting = asyncio.Lock(), False
    bound, roomy_at = bound_data(0), loop.time()

    async def obey(command: Shape | Count) -> None:
        nonlocal accepting, bound
        errors: dict[str, str] = {}
        if isinstance(command, Shape):
            async with shaping:
                bound = bound_data(lineup.budget_bytes(command.models))
                errors = await asyncio.to_thread(lineup.apply, command.models)
                if not accepting:
                    await server.start(listener)
                    accepting = True
        lineup.see_memory()
        answer = Answer(
            number=command.number,
            errors=errors,
            loaded=lineup.loaded(),
            counters=tuple(tally.counters() for tally in lineup.tallies()),
        )
        writer.write(encode_line(answer))

    obeying: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        if data_bytes() < LEAKED_SHARE * bound:
            roomy_at = loop.time()
        elif loop.time() - roomy_at > LEAKED_S:
            _end(f"{data_bytes()} bytes are held where {bound} may be, and they do not come back")
        command = decode_command(line)
        task = asyncio.create_task(obey(command))
        obeying.add(task)
        task.add_done_callback(obeying.discard)
    threading.Timer(2 * DRAIN_S, os._exit, [1]).start()  # in case a thread holds the interpreter
    await server.drain(DRAIN_S)
    endpoints.cancel_all()
    os._exit(0)  # an inference that ignores its cancellation must not hold the process, nor a late signal find no loop


def _end(why: str) -> None:
    """End at once: a process without memory has none to clean up with."""
    sys.stderr.write(f"the worker ends: {why}\n")
    sys.stderr.flush()
    os._exit(1)


def _complain(error: BaseException | None, what: str) -> None:
    """Say in one line what nobody caught; without memory nothing can be served, and the next worker begins with some."""
    if isinstance(error, MemoryError):
        os.write(2, b"the worker ends: it is out of memory\n")
        os._exit(1)
    sys.stderr.write(f"{what}: {type(error).__name__}: {error}\n")


def main() -> int:
    """Serve until the control channel closes."""
    parser = argparse.ArgumentParser(prog="ringtide-worker")
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--session", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--readable", action="append", required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    confine_worker(arguments.parent)
    listener = socket.socket(fileno=arguments.listen_fd)
    control = socket.socket(fileno=arguments.control_fd)
    try:
        asyncio.run(_serve(listener, control, arguments.session, arguments.readable))
    except (InputError, OSError) as error:
        _end(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
