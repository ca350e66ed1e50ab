"""How long a worker takes from nothing to its first answer."""

import http.client
import statistics
import time
from collections.abc import Iterator

from benchmarks.releases import infer_body, served
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.ports import ServedModel

ROUNDS = 5


def measure() -> Iterator[str]:
    """Yield the figures."""
    release, body, times = served("1.1.0"), infer_body(), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        service = WorkerProcess()
        try:
            service.shape([ServedModel(model="digits", active=release, stable=None)])
            host, port = service.address
            connection = http.client.HTTPConnection(host, port, timeout=30)
            connection.request("POST", "/v2/models/digits/infer", body)
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise RuntimeError(response.read().decode())
            response.read()
            connection.close()
            times.append(time.perf_counter() - started)
        finally:
            service.stop()
    yield (
        f"worker start, load, first inference {statistics.median(times):5.2f} s"
        f"  ({min(times):.2f} to {max(times):.2f}, {ROUNDS} runs)"
    )
    yield "limit                                2.00 s"
