"""Downloads beside the loop: each artifact in a thread of its own, which ends when nobody asks for the artifact any more.

A thread has no state that a restart could lose: what came lies beside the blobs, and digests decide.
"""

import threading
import time
from collections.abc import Callable

from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import RingtideError, TransientError
from ringtide_contract.ids import Digest

MOST_AT_ONCE = 4
"""Downloads at one time, of different models; each holds a connection and a chunk."""

LEASE_S = 60.0
"""A download that no turn of the loop has asked for this long is ended: a newer publication wants another."""

STUCK_S = 120.0
"""A download that got nothing for this long is cut, whatever it waits for: headers that never end, say."""

PATIENCE_S = 0.25
"""What is here within this time costs no turn of its own."""


class BackgroundFetch:
    """The source of artifacts that never keeps the loop waiting."""

    def __init__(
        self,
        fetcher: ArtifactFetcher,
        *,
        wake: Callable[[], None] = lambda: None,
        patience_s: float = PATIENCE_S,
        lease_s: float = LEASE_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        """Start nothing yet.

        Args:
            fetcher: Does the work.
            wake: Told when a download has ended, well or not; from its thread.
            patience_s: A new download is waited for so long.
            lease_s: A download that nobody asked for this long is ended.
            stuck_s: A download that got nothing for this long is cut.
        """
        self._fetcher, self._wake = fetcher, wake
        self._patience_s, self._lease_s, self._stuck_s = patience_s, lease_s, stuck_s
        self._jobs: dict[Digest, _Job] = {}

    def fetch(self, artifact: Artifact, memory_bytes: int) -> bool:
        """Tell whether an artifact is in the store; where it is not, see to it that it comes, and ask again.

        Raises:
            TrustError: Every source gave other bytes than the digest names.
            TransientError: No source answered, or the disk is full.
        """
        self._end_those_left()
        job = self._jobs.get(artifact.sha256)
        if job is None:
            if len(self._jobs) >= MOST_AT_ONCE:
                return False
            job = self._jobs[artifact.sha256] = _Job(self._fetcher, self._wake, artifact, memory_bytes, self._lease_s)
            job.start(self._patience_s)
        job.asked_s = time.monotonic()
        if not job.ended:
            return False
        del self._jobs[artifact.sha256]
        if job.trouble is not None:
            raise job.trouble
        return not job.is_dropped

    def leave(self, digest: Digest) -> None:
        """End a download, if there is one; what came is kept."""
        if job := self._jobs.get(digest):
            job.leave()

    def _end_those_left(self) -> None:
        now = time.monotonic()
        for digest, job in tuple(self._jobs.items()):
            is_left = now - job.asked_s > self._lease_s
            if is_left and job.ended:
                del self._jobs[digest]
            elif is_left:
                job.leave()
            elif now - job.got_s > self._stuck_s:
                job.cut(self._stuck_s)


class _Job:
    """One download."""

    def __init__(
        self, fetcher: ArtifactFetcher, wake: Callable[[], None], artifact: Artifact, memory_bytes: int, lease_s: float
    ) -> None:
        self.asked_s = self.got_s = time.monotonic()
        self.is_dropped = False
        self.trouble: RingtideError | None = None
        self._artifact, self._memory_bytes = artifact, memory_bytes
        self._wake, self._web, self._lease_s = wake, fetcher.web(), lease_s
        self._fetcher, self._done = fetcher, threading.Event()

    @property
    def ended(self) -> bool:
        return self._done.is_set()

    def start(self, patience_s: float) -> None:
        # A daemon: the end of the process ends it at any point, as a power cut would.
        threading.Thread(target=self._run, name=f"fetch {self._artifact.sha256[:12]}", daemon=True).start()
        self._done.wait(patience_s)

    def leave(self) -> None:
        self.is_dropped = True
        self._web.cut("nobody asks for it any more")

    def cut(self, stuck_s: float) -> None:
        self.got_s = time.monotonic()  # the next source has its own time
        self._web.cut(f"brought nothing for {stuck_s:g} s")

    def _run(self) -> None:
        try:
            self._fetcher.fetch(self._artifact, self._memory_bytes, web=self._web, beat=self._beat)
        except RingtideError as error:
            self.trouble = None if self.is_dropped else error
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it; the loop names the defect and goes on
            self.trouble = TransientError(f"artifact {self._artifact.sha256[:12]}: {type(error).__name__}: {error}")
        finally:
            self._web.close()
            self._done.set()
            self._wake()

    def _beat(self) -> None:
        self.got_s = time.monotonic()
        self.is_dropped = self.is_dropped or self.got_s - self.asked_s > self._lease_s
        if self.is_dropped:
            raise TransientError("nobody asks for it any more")
