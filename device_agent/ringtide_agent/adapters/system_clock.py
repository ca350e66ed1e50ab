"""The system clock, and a sleep that a hint or a signal can end."""

import os
import select
import time
from datetime import UTC, datetime


class SystemClock:
    """The present, as this machine has it."""

    def __init__(self) -> None:
        """Start awake."""
        # A file, because a signal handler that sets a threading.Event can deadlock with the wait it interrupts.
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def now(self) -> datetime:
        """Return the aware UTC instant, as the system clock says."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return seconds from an arbitrary start that no clock step moves."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until `wake`; a wake during work ends the next sleep at once."""
        if any(select.select([self._woken], [], [], max(0.0, seconds))):
            os.eventfd_read(self._woken)

    def wake(self) -> None:
        """End the present sleep, or the next; safe in a signal handler and from any thread."""
        os.eventfd_write(self._woken, 1)
