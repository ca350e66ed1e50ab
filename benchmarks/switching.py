"""What a client that sends 50 requests a second notices of switches: nothing lost, and how slow the slowest answer is."""

import http.client
import statistics
import threading
import time
from collections.abc import Iterator

from benchmarks.releases import infer_body, served
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.ports import ServedModel

RATE = 50
SECONDS = 4
SWITCHES = 8


def measure() -> Iterator[str]:
    """Yield the figures."""
    service = WorkerProcess()
    releases = [served("1.0.0"), served("1.1.0")]
    try:
        service.shape([ServedModel(model="digits", active=releases[0], stable=None)])
        quiet = _client(service.address)
        answers: list[tuple[int, float]] = []
        thread = threading.Thread(target=lambda: answers.extend(_client(service.address)))
        thread.start()
        for number in range(SWITCHES):
            time.sleep(SECONDS / (SWITCHES + 1))
            fresh, old = releases[(number + 1) % 2], releases[number % 2]
            service.shape([ServedModel(model="digits", active=fresh, stable=old)])
        thread.join()
    finally:
        service.stop()
    lost = sum(status != http.HTTPStatus.OK for status, _ in answers)
    for name, measured in (("without a switch", quiet), (f"during {SWITCHES} switches", answers)):
        times = sorted(seconds * 1000 for _, seconds in measured)
        yield (
            f"{name:<20} {len(measured)} requests, median {statistics.median(times):.1f} ms,"
            f" 99 % within {times[int(len(times) * 0.99)]:.1f} ms"
        )
    yield f"requests lost        {lost} (limit 0)"


def _client(address: tuple[str, int]) -> list[tuple[int, float]]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    body, answers = infer_body(), []
    for number in range(RATE * SECONDS):
        started = time.perf_counter()
        try:
            connection.request("POST", "/v2/models/digits/infer", body)
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            status = 0
        spent = time.perf_counter() - started
        answers.append((status, spent))
        if number < RATE * SECONDS - 1:
            time.sleep(max(0.0, 1 / RATE - spent))
    return answers
