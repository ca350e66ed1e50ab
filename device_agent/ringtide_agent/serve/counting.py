"""What one manifest did in this process: the figures of `ringtide_contract.report.Counters`.

They are handed over in the wire form, since that module needs cryptography and a process that parses models carries
none.
"""

from threading import Lock

from ringtide_contract.canonical import Json
from ringtide_contract.ids import Digest
from ringtide_contract.sketch import LatencySketch, bucket_of


class Tally:
    """Counts by several threads; they only go up."""

    def __init__(self, manifest: Digest, session: str, budget_us: int) -> None:
        self._lock = Lock()
        self._manifest, self._session, self._budget_us = manifest, session, budget_us
        self._requests = self._failures = self._over_budget = self._compared = self._agreed = self._peak = 0
        self._windows = self._drifted = 0
        self._buckets: dict[int, int] = {}

    def answered(self, latency_us: int, *, failed: bool) -> None:
        """Count a request that an inference was made for."""
        bucket = bucket_of(latency_us)
        with self._lock:
            self._requests += 1
            self._failures += failed
            self._over_budget += latency_us > self._budget_us
            self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def compared(self, *, agreed: bool) -> None:
        """Count a request that the stable release answered too."""
        with self._lock:
            self._compared += 1
            self._agreed += agreed

    def windowed(self, *, drifted: bool) -> None:
        """Count a window of requests that was held against the drift reference."""
        with self._lock:
            self._windows += 1
            self._drifted += drifted

    def saw_memory(self, peak_bytes: int) -> None:
        """Keep the peak of the process, as seen while this manifest was active."""
        with self._lock:
            self._peak = max(self._peak, peak_bytes)

    def counters(self) -> dict[str, Json]:
        """Return everything counted so far, in the form of the report."""
        with self._lock:
            return {
                "manifest": self._manifest,
                "session": self._session,
                "requests": self._requests,
                "failures": self._failures,
                "overBudget": self._over_budget,
                "compared": self._compared,
                "agreed": self._agreed,
                "crashes": 0,
                "peakMemoryBytes": self._peak,
                "latency": LatencySketch(counts=dict(self._buckets)).to_dict(),
                "driftWindows": self._windows,
                "driftedWindows": self._drifted,
            }
