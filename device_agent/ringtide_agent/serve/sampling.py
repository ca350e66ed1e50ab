"""Samples of live requests, looked at beside the answer and never before it.

A bounded queue, a bounded rate, and what does not fit is shed.
"""

import queue
from collections.abc import Mapping, Sequence
from threading import Thread
from time import monotonic

from ringtide_agent.serve.agreement import compare
from ringtide_agent.serve.lineup import Serving
from ringtide_agent.serve.onnx_session import Tensor
from ringtide_contract.ids import Digest

SAMPLES_PER_S = 10
"""Of one model: at 100 us an inference this costs 0.1 % of a core, and an hour gives 36,000 pairs."""

MAX_WAITING = 16
"""Samples hold their tensors in memory while they wait."""


class Sampler:
    """Holds samples of live requests against the drift reference and the stable release, in a thread of its own."""

    def __init__(self, samples_per_s: float = SAMPLES_PER_S, waiting: int = MAX_WAITING) -> None:
        """Start the thread."""
        self._pause_s = 1 / samples_per_s
        self._next: dict[Digest, float] = {}
        self._queue: queue.Queue[tuple[Serving, Mapping[str, Tensor], Sequence[Tensor]]] = queue.Queue(waiting)
        Thread(target=self._work, name="sampler", daemon=True).start()

    def offer(self, serving: Serving, feeds: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
        """Take a request that the active release answered; return at once, whether it is sampled or shed."""
        now, digest = monotonic(), serving.active.digest
        if (serving.stable is None and serving.active.monitor is None) or now < self._next.get(digest, 0.0):
            return
        self._next[digest] = now + self._pause_s
        try:
            self._queue.put_nowait((serving, feeds, outputs))
        except queue.Full:
            return

    def _work(self) -> None:
        while True:
            serving, feeds, outputs = self._queue.get()
            _watch_drift(serving, feeds, outputs)
            compare(serving, feeds, outputs)
            del serving, feeds, outputs  # or the sessions of a release live on until the next sample


def _watch_drift(serving: Serving, feeds: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
    active = serving.active
    if active.monitor is None:
        return
    answers = zip((spec.name for spec in active.manifest.outputs), outputs, strict=True)
    for drifted in active.monitor.saw({**feeds, **dict(answers)}):
        active.tally.windowed(drifted=drifted)
