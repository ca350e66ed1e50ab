"""Kill, full disk and failing disk at every system call of an update that changes the state folder."""

import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, comes_back, is_whole
from faults.processes import Agent, Tracer
from faults.scene import Device, Scene

CALLS = (
    "openat", "creat", "write", "pwrite64", "writev", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
    "unlinkat", "rmdir", "fsync", "fdatasync", "mkdir", "mkdirat", "ftruncate", "truncate", "symlink", "symlinkat",
    "chmod", "fchmod", "fchmodat", "copy_file_range", "sendfile",
)  # fmt: skip
"""Every call by which a process can change what a folder holds."""

FAILING = ("write", "fsync", "rename")
"""The calls at which a disk says that it is full or broken."""

MOST_KILLS, KILL_S, ERROR_S = 300, 200, 50
"""In CI: the points at most, and the seconds for them; `--full` knows no limit."""

_CALL = re.compile(r"([a-z0-9_]+)\((.*)")
_OPENED_TO_WRITE = re.compile(r"O_CREAT|O_TRUNC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call of the update."""

    call: str
    """Its name."""
    number: int
    """It is the n-th of this name in the process."""
    path: str
    """What it changes, below the state folder, without what is different in every run."""

    @property
    def kind(self) -> tuple[str, str]:
        """The class that CI tries at least once."""
        return self.call, re.sub(r"[0-9a-f]{64}", "#", re.sub(r"blobs/[0-9a-f]{2}", "blobs/#", self.path))


def rows(bench: Bench) -> Iterator[Row]:
    """Break one call a try."""
    if missing := bench.lacks("strace"):
        yield Row(fault="kill, ENOSPC, EIO at every system call", skipped=missing)
        return
    points = points_of(bench.scene, bench.folder / "trace")
    kinds = len({point.kind for point in points})
    said = f"{len(points)} calls change the store, {kinds} classes"
    many = None if bench.full else MOST_KILLS
    tries = [("kill", point) for point in chosen(points, many, bench.seed)]
    yield bench.row("kill at a system call of an update", broken_at, tries, seconds=KILL_S, note=said)
    failing = [point for point in points if point.call in FAILING]
    for error in ("ENOSPC", "EIO"):
        few = None if bench.full else len({point.kind for point in failing})
        tries = [(error, point) for point in chosen(failing, few, bench.seed)]
        yield bench.row(f"{error} at a write, fsync or rename", broken_at, tries, seconds=ERROR_S)


def points_of(scene: Scene, folder: Path) -> list[Point]:
    """Trace one update and return every call that changed the store, in order."""
    device, trace = scene.copy(folder), folder / "trace.txt"
    agent = _update(device, held=True)
    tracer = Tracer(agent, trace, CALLS)
    code, said = agent.wait()
    tracer.end()
    if code != 0:
        raise RuntimeError(f"the update fails without a fault: {said}")
    return list(_parsed(trace.read_text(errors="replace"), device.state))


def chosen(points: Sequence[Point], limit: int | None, seed: int) -> list[Point]:
    """Return every point, or, under a limit, one of every class first and then others, both drawn by the seed."""
    if limit is None:
        return list(points)
    mixed = random.Random(seed).sample(list(points), len(points))
    first = list({point.kind: point for point in mixed}.values())
    return [*first, *(point for point in mixed if point not in first)][:limit]


def broken_at(scene: Scene, folder: Path, what: tuple[str, Point]) -> Outcome | None:
    """Kill the agent just before a call, or let the call fail once; None where this run never came to it.

    After an error the agent goes on by itself, or stops with an exit code that it documents; never with a traceback.
    """
    fault, point = what
    begin, losses = time.monotonic(), []
    device = scene.copy(folder)
    code, said = _broken(device, point, "signal=KILL" if fault == "kill" else f"error={fault}")
    if fault == "kill":
        if code != -9:
            return None
    elif not _struck_the_store(folder):
        return None
    elif code not in (0, 5) or "Traceback" in said:
        losses.append(f"it ended with {code}: {said[-600:]}")
    losses = losses or is_whole(device)
    saw = "" if losses else device.release
    losses = losses or comes_back(scene, device)
    if not losses:
        shutil.rmtree(folder)
    where = f"{point.call} {point.number} {point.path}"
    return Outcome(point=f"{fault} at {where}", losses=tuple(losses), seconds=time.monotonic() - begin, saw=(saw,))


def _broken(device: Device, point: Point, how: str) -> tuple[int, str]:
    """Run an update with one call broken; return its end."""
    agent = _update(device, held=True)
    trace = device.folder / "trace.txt"
    tracer = Tracer(agent, trace, (point.call,), f"{point.call}:{how}:when={point.number}")
    code, said = agent.wait()
    tracer.end()
    return code, said


def _update(device: Device, *, held: bool) -> Agent:
    return Agent(device.folder, "once", "--config", str(device.config), "--wait", "20", held=held)


def _parsed(trace: str, state: Path) -> Iterator[Point]:
    numbers: Counter[str] = Counter()
    for line in trace.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        call, rest = found.groups()
        numbers[call] += 1
        paths = re.findall(re.escape(str(state)) + r'(?=[/">])[^"> ,)]*', rest)
        done = " = -1 " not in rest
        if paths and done and (call != "openat" or _OPENED_TO_WRITE.search(rest)):
            path = re.sub(r"/tmp\w+", "/tmp*", paths[-1].removeprefix(str(state)).lstrip("/"))
            yield Point(call=call, number=numbers[call], path=path or ".")


def _struck_the_store(folder: Path) -> bool:
    """Tell whether the call that failed was one on the store; threads change the order, and a line of the log is none."""
    trace = (folder / "trace.txt").read_text(errors="replace")
    return any(f"{folder}/state" in line for line in trace.splitlines() if "INJECTED" in line)
