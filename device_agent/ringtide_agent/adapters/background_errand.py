"""Work beside the loop: polls and pushes, each kind in a thread of its own while there is something to do.

A thread has no state that a restart could lose: an answer that nobody took is asked for again.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ringtide_contract.errors import RingtideError, TransientError

STOP_S = 2.0
"""An agent that ends waits so long for an answer; what is under way then ends with the process, as in a power cut."""

T = TypeVar("T")


class BackgroundErrand:
    """One piece of work at a time, for which the loop does not wait."""

    def __init__(self, name: str, *, most_s: float, wake: Callable[[], None] = lambda: None) -> None:
        """Start nothing yet.

        Args:
            name: For people who look at the threads.
            most_s: Seconds that no piece of work takes, since it has limits of its own.
            wake: Told when a piece of work has ended, well or not; from its thread.
        """
        self._name, self._most_s, self._wake = name, most_s, wake
        self._work: _Work | None = None

    def ask(self, work: Callable[[], T]) -> T | None:
        """Return what came of the work under way, once, or raise what it raised; None until it is done.

        Where nothing is under way, begin `work`.

        Raises:
            RingtideError: What the work raised; a TransientError in place of what it should not have raised, so that no
                bytes from outside that meet a defect end the agent.
        """
        if self._work is None:
            self._work = _Work(work, self._wake)
            # A daemon: the end of the process ends it at any point, as a power cut would.
            threading.Thread(target=self._work.do, name=self._name, daemon=True).start()
        if not self._work.done.is_set():
            return None
        ended, self._work = self._work, None
        if ended.trouble is not None:
            raise ended.trouble
        result: T = ended.result
        return result

    @property
    def is_stuck(self) -> bool:
        """Whether work takes longer than its own limits allow: only a defect, or a kernel that hangs, does that."""
        return self._work is not None and time.monotonic() - self._work.begun_s > self._most_s

    def stop(self) -> None:
        """Wait a moment for what is under way."""
        if self._work is not None:
            self._work.done.wait(STOP_S)


class _Work:
    def __init__(self, work: Callable[[], Any], wake: Callable[[], None]) -> None:
        self._work, self._wake = work, wake
        self.begun_s, self.done = time.monotonic(), threading.Event()
        self.result: Any = None
        self.trouble: RingtideError | None = None

    def do(self) -> None:
        try:
            self.result = self._work()
        except RingtideError as error:
            self.trouble = error
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it; the loop names the defect and goes on
            self.trouble = TransientError(f"a defect: {type(error).__name__}: {error}")
        finally:
            self.done.set()
            self._wake()
