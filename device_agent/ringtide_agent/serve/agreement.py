"""During probation: does the active release answer live inputs as the stable one does?

It runs beside the answer, never before it: a bounded queue, a bounded rate, and what does not fit is shed.
"""

import queue
from collections.abc import Mapping, Sequence
from threading import Thread
from time import monotonic

import numpy as np

from ringtide_agent.serve.lineup import Serving
from ringtide_agent.serve.onnx_session import Tensor
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import Digest

SAMPLES_PER_S = 10
"""Of one model: at 100 us an inference this costs 0.1 % of a core, and an hour gives 36,000 pairs."""

MAX_WAITING = 16
"""Samples hold their tensors in memory while they wait."""

CLOSE = 1e-3
"""Difference that two regressions may have and still agree."""


def agree(active: Sequence[Tensor], stable: Sequence[Tensor]) -> bool:
    """Say whether two releases gave the same answer to one request.

    Where the first output is a row of scores for each input, the best scores must stand in the same places;
    otherwise it must be numerically close.
    """
    one, other = active[0], stable[0]
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    if one.ndim == 2 and one.shape[1] > 1:
        return bool(np.array_equal(one.argmax(axis=1), other.argmax(axis=1)))
    return bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE))


class Comparer:
    """Runs samples of live requests through the stable release, in a thread of its own."""

    def __init__(self, samples_per_s: float = SAMPLES_PER_S, waiting: int = MAX_WAITING) -> None:
        """Start the thread."""
        self._pause_s = 1 / samples_per_s
        self._next: dict[Digest, float] = {}
        self._queue: queue.Queue[tuple[Serving, Mapping[str, Tensor], Sequence[Tensor]]] = queue.Queue(waiting)
        Thread(target=self._work, name="comparer", daemon=True).start()

    def offer(self, serving: Serving, feeds: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
        """Take a request that the active release answered; return at once, whether it is sampled or shed."""
        now, digest = monotonic(), serving.active.digest
        if serving.stable is None or now < self._next.get(digest, 0.0):
            return
        self._next[digest] = now + self._pause_s
        try:
            self._queue.put_nowait((serving, feeds, outputs))
        except queue.Full:
            return

    def _work(self) -> None:
        while True:
            serving, feeds, outputs = self._queue.get()
            if serving.stable is None:
                continue
            try:
                theirs = serving.stable.session.run(feeds)
            except TransientError:
                continue  # the stable release takes other inputs: no comparison, so no evidence either way
            serving.active.tally.compared(agreed=agree(outputs, theirs))
            del serving, feeds, outputs, theirs  # or the sessions of a release live on until the next sample
