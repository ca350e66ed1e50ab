"""Errands beside the loop: one at a time, each answer once, a failure as it was raised."""

import threading

import pytest

from ringtide_agent.adapters.background_errand import BackgroundErrand
from ringtide_contract.errors import RingtideError, TransientError, TrustError

END_S = 20.0


def test_work_under_way_keeps_nobody_waiting_and_its_answer_is_given_once() -> None:
    gate, woken, begun = threading.Event(), threading.Event(), []

    def work() -> int:
        begun.append(threading.current_thread())
        gate.wait(END_S)
        return len(begun)

    errand = BackgroundErrand("poll", most_s=END_S, wake=woken.set)
    assert [errand.ask(work) for _ in range(3)] == [None, None, None]
    assert not woken.is_set()
    gate.set()
    assert woken.wait(END_S)
    assert errand.ask(work) == 1
    assert begun[0] is not threading.current_thread()
    assert begun[0].daemon
    woken.clear()
    assert errand.ask(work) in (None, 2)
    assert woken.wait(END_S)


@pytest.mark.parametrize("failure", [TransientError("no route"), TrustError("TUF-SIZE", "no"), ValueError("odd")])
def test_whoever_asks_gets_the_failure_and_the_next_work_begins_afresh(failure: Exception) -> None:
    """A defect is named, too, and is none of the agent's: it comes as what passes."""
    gate, woken = threading.Event(), threading.Event()
    errand = BackgroundErrand("push", most_s=END_S, wake=woken.set)

    def fail() -> int:
        gate.wait(END_S)
        raise failure

    assert errand.ask(fail) is None
    gate.set()
    assert woken.wait(END_S)
    with pytest.raises(type(failure) if isinstance(failure, RingtideError) else TransientError) as raised:
        errand.ask(fail)
    assert str(failure) in str(raised.value)
    woken.clear()
    assert errand.ask(lambda: 7) in (None, 7)


def test_work_that_outlasts_its_own_limits_shows_and_the_end_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ringtide_agent.adapters.background_errand.STOP_S", 0.01)
    gate = threading.Event()
    errand = BackgroundErrand("poll", most_s=0.0)
    assert not errand.is_stuck
    errand.ask(lambda: gate.wait(END_S))
    assert errand.is_stuck
    errand.stop()
    gate.set()
