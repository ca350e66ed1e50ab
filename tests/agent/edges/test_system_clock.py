"""The clock: a wake ends the sleep it falls into, or the next one, and is used up by it."""

import signal
import threading

from ringtide_agent.adapters.system_clock import SystemClock


def test_a_wake_from_another_thread_ends_the_sleep() -> None:
    clock = SystemClock()
    threading.Timer(0.05, clock.wake).start()
    before = clock.monotonic_s()
    clock.sleep(60)
    assert clock.monotonic_s() - before < 30


def test_a_wake_during_work_ends_the_next_sleep_once() -> None:
    clock = SystemClock()
    clock.wake()
    clock.wake()
    before = clock.monotonic_s()
    clock.sleep(60)
    assert clock.monotonic_s() - before < 30
    clock.sleep(0.05)
    assert clock.monotonic_s() - before >= 0.05


def test_a_signal_handler_may_wake() -> None:
    clock = SystemClock()
    before = signal.signal(signal.SIGALRM, lambda *_: clock.wake())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = clock.monotonic_s()
        clock.sleep(60)
        assert clock.monotonic_s() - start < 30
    finally:
        signal.signal(signal.SIGALRM, before)


def test_now_is_aware() -> None:
    offset = SystemClock().now().utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
