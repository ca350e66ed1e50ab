"""The bytes of all downloads, spread over time."""

import threading
import time
from collections.abc import Callable

READ_BYTES = 256 * 1024
"""Read, hashed and written at once."""


class Throttle:
    """Lets bytes through at the rate of the hour."""

    def __init__(self, rate: Callable[[], int | None], slowest: int | None) -> None:
        """Keep the rates.

        Args:
            rate: Returns how many bytes a second may come now, None for no limit.
            slowest: The least that it ever returns; None where it never limits.
        """
        self._rate = rate
        self._lock, self._free_at_s = threading.Lock(), 0.0
        self.chunk_bytes = READ_BYTES if slowest is None else min(READ_BYTES, max(1, slowest // 4))

    def take(self, count: int) -> None:
        """Wait until so many bytes may have come."""
        rate = self._rate()
        if rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at_s = max(now, self._free_at_s) + count / rate
            pause = self._free_at_s - now
        time.sleep(pause)


def unlimited() -> Throttle:
    """Return one that never waits."""
    return Throttle(lambda: None, None)
