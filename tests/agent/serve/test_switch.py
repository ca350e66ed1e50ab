"""Switching releases under load, and the comparison during probation."""

import threading
from collections.abc import Callable
from time import monotonic

from agent.serve.callers import Caller, Heard, question
from agent.serve.models import Shelf, alone, linear
from ringtide_agent.adapters.worker_process import WorkerProcess

Eventually = Callable[[Callable[[], bool]], None]


def test_a_switch_drops_no_request(service: WorkerProcess, shelf: Shelf) -> None:
    one, two = shelf.release(linear(1), release="1.0.0"), shelf.release(linear(2), release="2.0.0")
    service.shape([alone(one)])
    answers: list[Heard] = []
    faults: list[Exception] = []
    over = threading.Event()

    def call(*, keep: bool) -> None:
        caller = Caller(service.address)
        try:
            while not over.wait(0.04):  # two callers: 50 requests a second
                answers.append(caller.infer(question()))
                if not keep:
                    caller.close()
        except Exception as error:  # noqa: BLE001  any at all is the failure that this test looks for
            faults.append(error)
        finally:
            caller.close()

    callers = [threading.Thread(target=call, kwargs={"keep": keep}) for keep in (True, False)]
    for thread in callers:
        thread.start()
    switches, until = 0, monotonic() + 3
    while monotonic() < until:
        heard = len(answers)
        new, old = (two, one) if switches % 2 == 0 else (one, two)
        service.shape([alone(new, old)] if switches % 4 < 2 else [alone(new)])
        switches += 1
        while len(answers) < heard + 8 and not faults and monotonic() < until + 10:
            over.wait(0.01)
    over.set()
    for thread in callers:
        thread.join()
    assert faults == []
    assert {heard.status for heard in answers} == {200}
    assert {heard.body["model_version"] for heard in answers} == {"1.0.0", "2.0.0"}
    assert switches >= 6
    assert len(answers) > 60
    counters = service.counters()
    assert sum(item.requests for item in counters) == len(answers)
    assert sum(item.failures for item in counters) == 0


def _compare(service: WorkerProcess, shelf: Shelf, eventually: Eventually, candidate: bytes) -> tuple[int, int]:
    stable, active = shelf.release(linear(1)), shelf.release(candidate, release="2.0.0")
    service.shape([alone(active, stable)])
    caller = Caller(service.address)
    seen = (0, 0)

    def enough() -> bool:
        nonlocal seen
        assert caller.infer(question(seed=len(service.counters()) + seen[0])).status == 200
        item = next(item for item in service.counters() if item.manifest == active.digest)
        seen = (item.compared, item.agreed)
        return item.compared >= 4

    eventually(enough)
    caller.close()
    by_manifest = {item.manifest: item for item in service.counters()}
    assert by_manifest[stable.digest].compared == 0
    return seen


def test_a_release_that_answers_alike_agrees(service: WorkerProcess, shelf: Shelf, eventually: Eventually) -> None:
    compared, agreed = _compare(service, shelf, eventually, linear(1, opset=14))
    assert agreed == compared


def test_a_release_that_mixes_up_the_classes_disagrees(
    service: WorkerProcess, shelf: Shelf, eventually: Eventually
) -> None:
    _, agreed = _compare(service, shelf, eventually, linear(1, shift=1))
    assert agreed == 0


def test_confirmation_frees_the_stable_session(service: WorkerProcess, shelf: Shelf) -> None:
    stable, active = shelf.release(linear(1)), shelf.release(linear(2), release="2.0.0")
    service.shape([alone(active, stable)])
    assert service._worker is not None
    assert set(service._worker.count(5).loaded) == {active.digest, stable.digest}
    service.shape([alone(active)])
    assert service._worker.count(5).loaded == (active.digest,)
