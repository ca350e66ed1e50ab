"""What every fault is tried with, and the one table that comes of it."""

import math
import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from faults.laws import Outcome
from faults.scene import Scene, Story

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    fault: str
    """What was done to the device."""
    tried: int = 0
    """Points tried."""
    losses: tuple[Outcome, ...] = ()
    """Tries that lost something."""
    seconds: float = 0.0
    """Time it took."""
    note: str = ""
    """What else there is to say."""
    missed: tuple[str, ...] = ()
    """Points that no run of theirs came to: neither tried nor survived."""
    skipped: str = ""
    """Why nothing was tried."""

    @property
    def is_lost(self) -> bool:
        """Whether it counts against us: a loss, or nothing tried without a reason."""
        return bool(self.losses) or (not self.tried and not self.skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The scene and how much to try."""

    scene: Scene
    """Makes devices and what they are asked for."""
    update: Story
    """What most faults happen to."""
    folder: Path
    """For the tries; those that lose something stay."""
    seed: int
    """Chooses the points."""
    full: bool
    """Every point, however long it takes."""
    workers: int
    """Tries at one time."""
    end: float = math.inf
    """Monotonic second after which, without `full`, no row gets more than its first tries."""

    def lacks(self, *programs: str, root: bool = False) -> str:
        """Say what this machine lacks; nothing where it has all."""
        if root and os.geteuid() != 0:
            return "needs root"
        missing = [program for program in programs if shutil.which(program) is None]
        return f"needs {', '.join(missing)}: not installed" if missing else ""

    def row(
        self,
        fault: str,
        attempt: Callable[[Story, Path, T], Outcome | None],
        points: Sequence[T],
        *,
        seconds: float,
        note: str = "",
        story: Story | None = None,
        at_once: int = 1,
    ) -> Row:
        """Try every point, several at one time; without `full`, as many as the seconds allow, and some in any case.

        Args:
            fault: What is done.
            attempt: Does it to one point.
            points: Where.
            seconds: In CI, for all of them.
            note: What to say of them.
            story: What the device is asked for meanwhile.
            at_once: Tries that take the place of one: most of their time they sleep.
        """
        begin = time.monotonic()
        found: list[Outcome] = []
        missed: list[str] = []
        waiting = list(enumerate(points))
        base = self.folder / "".join(sign if sign.isalnum() else "-" for sign in fault)
        workers = at_once * self.workers
        last = min(begin + seconds, self.end)
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            running: dict[Future[Outcome | None], T] = {}
            while waiting or running:
                late = not self.full and time.monotonic() > last and (found or missed)
                while waiting and not late and len(running) < workers:
                    number, point = waiting.pop(0)
                    future = pool.submit(_attempt, attempt, story or self.update, base / str(number), point)
                    running[future] = point
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    point, outcome = running.pop(future), future.result()
                    if outcome is None:
                        missed.append(_named(point))
                    else:
                        found.append(outcome)
        notes = [note] if note else []
        notes += [f"{len(waiting)} left for lack of time"] if waiting else []
        notes += [f"{len(missed)} not reached"] if missed else []
        saw = Counter(release for outcome in found for release in outcome.saw if release)
        notes += [f"{count} were on {release}" for release, count in sorted(saw.items())]
        notes += [f"slowest {max(outcome.seconds for outcome in found):.1f} s"] if found else []
        return Row(
            fault=fault,
            tried=sum(len(outcome.saw) for outcome in found),
            losses=tuple(outcome for outcome in found if outcome.losses),
            seconds=time.monotonic() - begin,
            note=", ".join(notes),
            missed=tuple(missed),
        )


def _named(point: object) -> str:
    return " ".join(map(str, point)) if isinstance(point, tuple) else str(point)


def _attempt(
    attempt: Callable[[Story, Path, T], Outcome | None], story: Story, folder: Path, point: T
) -> Outcome | None:
    try:
        return attempt(story, folder, point)
    except Exception as error:  # noqa: BLE001 - a try that breaks off has shown nothing, so it counts as lost
        return Outcome(point=_named(point), losses=(f"{type(error).__name__}: {error}",), seconds=0.0)


def table(rows: Sequence[Row]) -> str:
    """Return the table: fault, points tried, survived, time, and what else there is to say."""
    cells = [("FAULT", "TRIED", "SURVIVED", "TIME", "")]
    for row in rows:
        if row.skipped:
            cells.append((row.fault, "-", "-", "-", f"SKIPPED: {row.skipped}"))
        else:
            survived = str(row.tried - len(row.losses))
            cells.append((row.fault, str(row.tried), survived, f"{row.seconds:.0f} s", row.note))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:>{widths[3]}}  {line[4]}"
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
