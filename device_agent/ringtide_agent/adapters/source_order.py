"""Several sources of publications, in the order that a person has stated."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from ringtide_agent.ports import Snapshot
from ringtide_contract.errors import TransientError

PASS_OVER_S = 600.0
"""A source that did not answer, or showed what was refused, comes last for so long."""


class Opens(Protocol):
    """One source."""

    def open(self) -> AbstractContextManager[Snapshot]:
        """Fetch the newest state.

        Raises:
            TransientError: No answer.
        """

    def forget(self) -> None:
        """What was shown last was refused: read all of it again."""


class InOrder:
    """The first source that answers; one that was of no use comes last for a while."""

    def __init__(self, sources: Sequence[Opens], *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Keep the order.

        Args:
            sources: At least one, the preferred one first.
            now_s: Monotonic seconds.
        """
        self._sources, self._now_s = tuple(sources), now_s
        self._last_until_s = [0.0] * len(self._sources)
        self._shown = 0

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """Show the newest state of the first source that answers.

        Raises:
            TransientError: None answers.
        """
        failures: list[str] = []
        now_s = self._now_s()
        for number in sorted(range(len(self._sources)), key=lambda each: (self._last_until_s[each] > now_s, each)):
            with ExitStack() as stack:
                self._shown = number
                try:
                    snapshot = stack.enter_context(self._sources[number].open())
                except TransientError as error:
                    failures.append(str(error))
                    self.pass_over()
                    continue
                yield snapshot
                return
        raise TransientError("; ".join(failures))

    def pass_over(self) -> None:
        """What was shown last was of no use: ask its source last for a while."""
        self._last_until_s[self._shown] = self._now_s() + PASS_OVER_S
        self._sources[self._shown].forget()
