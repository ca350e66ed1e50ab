"""A worker that serves as it should, until it serves a given release: then it crashes, hangs, leaks, or is killed.

`python -m faults.bad_worker HOW RELEASE WELL ...`, the rest as for the worker itself. Where the file WELL is, it is well.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ringtide_agent.serve import worker
from ringtide_agent.serve.control import WantedModel
from ringtide_agent.serve.lineup import Lineup

AFTER_S = 0.3
"""It serves so long."""

LEAK_BYTES = 16 * 1024 * 1024
"""Lost fifty times a second; nothing of it is ever resident."""


def leak() -> None:
    """Lose memory until there is none left, and keep it."""
    lost = []
    while True:
        time.sleep(0.02)
        try:
            lost.append(bytearray(LEAK_BYTES))
        except MemoryError:
            time.sleep(1)


HOW: Mapping[str, Callable[[], None]] = {
    "crashes": os.abort,
    "hangs": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "leaks": leak,
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}
"""What it does."""


def main() -> int:
    """Be the worker."""
    how, release, well = sys.argv[1:4]
    del sys.argv[1:4]
    apply = Lineup.apply

    def ail() -> None:
        time.sleep(AFTER_S)
        HOW[how]()

    def apply_badly(lineup: Lineup, wanted: Sequence[WantedModel]) -> dict[str, str]:
        errors = apply(lineup, wanted)
        if any(model.active.manifest.release == release for model in wanted):
            threading.Thread(target=ail, daemon=True).start()
        return errors

    if not Path(well).exists():
        Lineup.apply = apply_badly  # type: ignore[method-assign]
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
