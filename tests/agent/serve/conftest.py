"""A shelf of releases and a running inference service."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from agent.serve.callers import Caller
from agent.serve.models import Shelf
from ringtide_agent.adapters.worker_process import WorkerProcess


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(folder=tmp_path)


@pytest.fixture
def service() -> Iterator[WorkerProcess]:
    service = WorkerProcess(first_back_off_s=0.01)
    yield service
    service.stop()


@pytest.fixture
def caller(service: WorkerProcess) -> Iterator[Caller]:
    caller = Caller(service.address)
    yield caller
    caller.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most 20 s."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = monotonic() + 20
        while not condition():
            assert monotonic() < deadline, "it did not come about"
            sleep(0.02)

    return wait
