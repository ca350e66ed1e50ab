"""Kill, full disk and failing disk at every system call of the agent that changes its state folder, in every thread.

A point is a call on a path, the n-th such call of its thread: threads change the order among one another, not within. Git
runs in processes of its own, whose folder is a cache; power cuts and the disk that is full break it too.
"""

import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, begin, comes_back, is_whole, no_defect, prepared, through
from faults.processes import Tracer
from faults.scene import Device, Story

CHANGING = (
    "openat", "creat", "write", "pwrite64", "writev", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
    "unlinkat", "rmdir", "fsync", "fdatasync", "mkdir", "mkdirat", "ftruncate", "truncate", "fallocate", "symlink",
    "symlinkat", "chmod", "fchmod", "fchmodat", "copy_file_range", "sendfile",
)  # fmt: skip
"""Every call by which a process can change what a folder holds."""

READING = ("read", "pread64")

FULL_AT = ("openat", "write", "fsync", "rename", "mkdir", "symlink")
"""The calls at which a disk says that it is full."""

BROKEN_AT = (*FULL_AT, "unlink", "chmod")
"""The calls at which a disk says that it is broken."""

SECONDS: Mapping[str, int] = {"an update": 60, "a revert": 60, "a first install": 50, "a removal": 30}
"""In CI, for the kills of each story: one of each class."""

ERROR_S: Mapping[str, int] = {"ENOSPC": 30, "EIO": 30, "EIO at a read,": 15}
"""The same for calls that fail."""

TRIES = (False, True, True)
"""Runs of one point before it counts as not reached, and whether each follows the programs that the agent starts."""

MOST_STRIKES = 4
"""A call that failed more often, before strace could leave, is another fault: a release is given up for an hour after eight."""

_OF_TWO = ("rename", "link", "symlink")
_CACHE = "git"
_CALL = re.compile(r"(\d+) +([a-z0-9_]+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. ([a-z0-9_]+) resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_OPENED_TO_WRITE = re.compile(r"O_CREAT|O_TRUNC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call of a story."""

    call: str
    """Its name."""
    path: str
    """What it is on, below the state folder."""
    number: int
    """It is the n-th of this name on this path in its thread."""
    beside: str = ""
    """The path that it names first, by which strace knows calls of two."""

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.call} {self.path or '.'} {self.number}"

    @property
    def kind(self) -> tuple[str, str]:
        """The class that CI tries at least once."""
        path = re.sub(r"blobs/[0-9a-f]{2}", "blobs/#", self.path)
        return self.call, re.sub(r"tmpfault\d+", "tmp*", re.sub(r"[0-9a-f]{64}", "#", path))


def rows(bench: Bench) -> Iterator[Row]:
    """Break one call a try."""
    if missing := bench.lacks("strace"):
        yield Row(fault="kill, ENOSPC, EIO at every system call", skipped=missing)
        return
    scene = bench.scene
    stories = [
        prepared(_unhurried(story, bench.folder / f"{story.name}, before"), bench.folder / story.name)
        for story in (scene.update, scene.revert, scene.first, scene.removal)
    ]
    points = {story.name: points_of(story, bench.folder / f"{story.name}, traced") for story in stories}
    for story in stories:
        changing = [point for point in points[story.name] if point.call not in READING]
        kinds = len({point.kind for point in changing})
        tries = [("KILL", point) for point in chosen(changing, None if bench.full else kinds, bench.seed)]
        said = f"{len(changing)} calls, {kinds} classes"
        name = f"kill at a system call of {story.name}"
        yield bench.row(name, broken_at, tries, seconds=SECONDS[story.name], note=said, story=story)
    for fault, error, calls in (
        ("ENOSPC", "ENOSPC", FULL_AT),
        ("EIO", "EIO", BROKEN_AT),
        ("EIO at a read,", "EIO", READING),
    ):
        for story in stories if bench.full and calls is not READING else stories[:1]:
            failing = [point for point in points[story.name] if point.call in calls]
            kinds = len({point.kind for point in failing})
            every = bench.full and story is stories[0] and calls is not READING
            few = None if every else kinds
            tries = [(error, point) for point in chosen(failing, few, bench.seed)]
            said = f"{len(failing)} calls, {kinds} classes"
            name = f"{fault} at a system call of {story.name}" if calls is not READING else f"{fault} {story.name}"
            yield bench.row(name, broken_at, tries, seconds=ERROR_S[fault], note=said, story=story)


def points_of(story: Story, folder: Path) -> list[Point]:
    """Trace one story and return every call on the store, in order."""
    device, trace = story.copy(folder), folder / "trace.txt"
    agent = begin(story, device, held=True)
    tracer = Tracer(agent, trace, (*CHANGING, *READING))
    through(story, device, agent)
    tracer.end()
    return list(parsed(trace.read_text(errors="replace"), device.state))


def _unhurried(story: Story, folder: Path) -> Story:
    """Return the story of a device that polls more rarely: a start polls at once, and every other poll costs processor time."""
    device = story.copy(folder)
    device.config.write_text(device.config.read_text().replace("[poll]\ninterval_s = 1\n", "[poll]\ninterval_s = 3\n"))
    return replace(story, template=device)


def chosen(points: Sequence[Point], limit: int | None, seed: int) -> list[Point]:
    """Return every point, or, under a limit, one of every class first and then others, both drawn by the seed."""
    if limit is None:
        return list(points)
    mixed = random.Random(seed).sample(list(points), len(points))
    first = list({point.kind: point for point in mixed}.values())
    return [*first, *(point for point in mixed if point not in first)][:limit]


def broken_at(story: Story, folder: Path, what: tuple[str, Point]) -> Outcome | None:
    """Kill the agent just before a call, or let the call fail once; None where no run came to it.

    After an error the agent goes on by itself, or stops with an exit code that it documents; never with a traceback.
    """
    fault, point = what
    start, losses = time.monotonic(), []
    how = "signal=KILL" if fault == "KILL" else f"error={fault}"
    for programs in TRIES:
        device = story.copy(folder)
        code, said = _broken(story, device, point, how, programs=programs)
        if _was_struck(folder / "trace.txt", fault, code, said):
            break
    else:
        shutil.rmtree(folder)
        return None
    if fault != "KILL" and code not in EXITS:
        losses.append(f"it ended with {code}: {said[-600:]}")
    losses = losses or no_defect(said) or is_whole(story, device)
    saw = "" if losses else device.release or "nothing"
    losses = losses or comes_back(story, device)
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=f"{fault} at {point}", losses=tuple(losses), seconds=time.monotonic() - start, saw=(saw,))


EXITS = (0, 1, 5)
"""How an agent may end after its disk has failed once: done, could not start, not done in time."""


def _broken(story: Story, device: Device, point: Point, how: str, *, programs: bool) -> tuple[int, str]:
    """Live through a story with one call broken; return its end."""
    agent = begin(story, device, held=True)
    paths = [str(device.state / point.path)]
    paths += [str(device.state / point.beside), point.beside] if point.beside else []
    inject = f"{point.call}:{how}:when={point.number}"
    trace = device.folder / "trace.txt"
    tracer = Tracer(agent, trace, (point.call,), inject=inject, paths=tuple(paths), programs=programs)
    over = threading.Event()
    leaving = threading.Thread(target=_leave_after_one, args=(tracer, trace, over))
    leaving.start()
    code, said = through(story, device, agent)
    over.set()
    leaving.join()
    return code, said


def _leave_after_one(tracer: Tracer, trace: Path, over: threading.Event) -> None:
    """Let a call fail once: strace counts in each thread by itself, and every download has a thread of its own."""
    while not over.wait(0.01) and "(INJECTED)" not in trace.read_text(errors="replace"):
        pass
    tracer.end()


def _was_struck(trace: Path, fault: str, code: int, said: str) -> bool:
    """Tell whether the fault came to the call: only calls on its path are in the trace.

    What writes a patched file is a child: a kill there ends that child, and the agent goes on.
    """
    if fault == "KILL":
        return code == -9 or "applying it ended with signal SIGKILL" in said
    return 1 <= trace.read_text(errors="replace").count("(INJECTED)") <= MOST_STRIKES


def parsed(trace: str, state: Path) -> Iterator[Point]:
    """Read a trace: every call that changed the state folder or read a file of it, but for git's cache."""
    numbers: Counter[tuple[str, str, str]] = Counter()
    seen: set[tuple[str, str, int]] = set()
    for thread, call, rest in _calls(trace):
        paths = re.findall(re.escape(str(state)) + r'(?=[/">])[^"> ,)]*', rest)
        if not paths:
            continue
        path = paths[-1].removeprefix(str(state)).lstrip("/")
        numbers[thread, call, path] += 1
        number = numbers[thread, call, path]
        counts = " = -1 " not in rest and (call != "openat" or _OPENED_TO_WRITE.search(rest))
        if counts and path.split("/")[0] != _CACHE and (call, path, number) not in seen:
            seen.add((call, path, number))
            quoted = re.match(r'"([^"]*)"', rest)
            beside = quoted[1].removeprefix(f"{state}/") if quoted and call in _OF_TWO else ""
            yield Point(call=call, path=path, number=number, beside=beside)


def _calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """Return thread, name and the rest of every call, in the order in which they ended."""
    begun: dict[tuple[str, str], str] = {}
    for line in trace.splitlines():
        if found := _RESUMED.match(line):
            thread, call, rest = found.groups()
            yield thread, call, begun.pop((thread, call), "") + rest
        elif found := _CALL.match(line):
            thread, call, rest = found.groups()
            if rest.endswith(_UNFINISHED):
                begun[thread, call] = rest.removesuffix(_UNFINISHED)
            else:
                yield thread, call, rest
