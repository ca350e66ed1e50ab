"""What nobody listed: whatever happens to the agent from outside, it serves on or ends without a traceback, and comes back."""

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, begin, comes_back, ends_well, gets_there, is_whole, no_defect, serves, told
from faults.power_cut import cannot_mount, ext4
from faults.processes import Agent, Tracer
from faults.scene import Device, Story
from ringtide_agent import decide

CHAOS_S, SECTORS_S = 45, 25
TROUBLE_S = 4.0
"""How long it lasts."""

SIGNALS = 20
FEWEST_FILES = 8
"""Open files left to an agent: its log, its lock, its socket, and no more."""


def rows(bench: Bench) -> Iterator[Row]:
    """One row of single events, one of files that cannot be read."""
    missing = bench.lacks("mount", "umount", "mkfs.ext4", root=True) or cannot_mount(bench.folder)
    names = [name for name in EVENTS if not (missing and name in NEED_A_MOUNT)]
    left = sorted(set(EVENTS) - set(names))
    note = f"SKIPPED {', '.join(left)}: {missing}" if left else ""
    yield bench.row("events from outside", survives, names, seconds=CHAOS_S, note=note, at_once=2)
    if missing := bench.lacks("strace"):
        yield Row(fault="a file of the store cannot be read", skipped=missing)
        return
    after = bench.update.copy(bench.folder / "read")
    begin(bench.update, after).wait()
    paths = sorted(
        path for path in after.files() if path.split("/")[0] in ("journal", "models", "blobs", "floor.json", "format")
    )
    paths = paths if bench.full else random.Random(bench.seed).sample(paths, len(paths) // 2)
    yield bench.row("a file of the store cannot be read", unread, paths, seconds=SECTORS_S)


def survives(story: Story, folder: Path, name: str) -> Outcome:
    """Let it happen to a device that is updating."""
    start, device = time.monotonic(), story.copy(folder)
    losses = EVENTS[name](story, device)
    losses = losses or is_whole(story, device) or comes_back(story, device, strict_files=False)
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=name, losses=tuple(losses), seconds=time.monotonic() - start)


RESTS_S = 5
"""In place of the hour for which a release rests that could not be tried again and again."""


def unread(story: Story, folder: Path, path: str) -> Outcome | None:
    """Every read of a file fails while the agent starts: it serves what is left; when the sector is well it gets there."""
    start, device = time.monotonic(), story.copy(folder)
    decide.RETRY_AFTER_S = RESTS_S
    Agent(device.folder, "once", "--config", str(device.config), "--wait", "20").wait()
    agent = Agent(device.folder, "run", "--config", str(device.config), held=True)
    trace, bad = folder / "trace.txt", str(device.state / path)
    tracer = Tracer(agent, trace, ("read",), inject="read:error=EIO", paths=(bad,))
    losses = serves(story, agent)
    time.sleep(1)
    losses += ends_well(agent)
    tracer.end()
    if "(INJECTED)" not in trace.read_text(errors="replace"):
        return None
    forgot = path == "journal/reports.json"
    losses = losses or comes_back(story, device, strict_files=False, forgot=forgot)
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=f"{path} cannot be read", losses=tuple(losses), seconds=time.monotonic() - start)


def _run(device: Device) -> Agent:
    return Agent(device.folder, "run", "--config", str(device.config))


def _through_trouble(story: Story, agent: Agent, device: Device, end: Callable[[], None]) -> list[str]:
    """It serves in the middle of trouble and after it, and gets there."""
    time.sleep(TROUBLE_S)
    losses = serves(story, agent) or is_whole(story, device)
    end()
    return (losses or gets_there(story, device, agent)) + ends_well(agent)


def read_only(story: Story, device: Device) -> list[str]:
    """The file system turns read-only, as ext4 does after an error."""
    with _on_a_disk(device) as disk:
        agent = _run(device)
        losses = serves(story, agent)
        _remount(disk, "ro")
        losses = losses or _through_trouble(story, agent, device, lambda: _remount(disk, "rw"))
        agent.kill()
    return losses


def read_only_at_the_start(story: Story, device: Device) -> list[str]:
    """It starts on a read-only file system: it serves or says why not, and is started again by whoever watches it."""
    with _on_a_disk(device) as disk:
        _remount(disk, "ro")
        agent = _run(device)
        losses = serves(story, agent) + no_defect(agent.said())
        agent.stop()
        _remount(disk, "rw")
    return losses


def no_temporary_files(story: Story, device: Device) -> list[str]:
    """The folder for temporary files is full."""
    place = device.folder / "tmp"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(place)], check=True, capture_output=True)
    try:
        (place / "filler").write_bytes(bytes(4096))
        os.environ["TMPDIR"], tempfile.tempdir = str(place), None
        agent = _run(device)
        losses = serves(story, agent)
        losses = losses or _through_trouble(story, agent, device, (place / "filler").unlink)
        agent.kill()
    finally:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)
    return losses


def no_open_files(story: Story, device: Device) -> list[str]:
    """It may open no more files."""
    agent = _run(device)
    losses = serves(story, agent)
    before = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (FEWEST_FILES, before[1]))
    return losses or _through_trouble(story, agent, device, lambda: _lift(agent, before))


def no_processes(story: Story, device: Device) -> list[str]:
    """It may map no more memory than it has, so that no child, thread or buffer comes about."""
    agent = _run(device)
    losses = serves(story, agent)
    size = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.prlimit(agent.pid, resource.RLIMIT_AS)
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (size, before[1]))
    time.sleep(TROUBLE_S)
    losses = losses or serves(story, agent)
    if agent.ended() is None:
        resource.prlimit(agent.pid, resource.RLIMIT_AS, before)
        agent.stop()
    return losses


def many_signals(story: Story, device: Device) -> list[str]:
    """It is told to end twenty times while it works."""
    agent = _run(device)
    losses = serves(story, agent)
    for _ in range(SIGNALS):
        if agent.ended() is None:
            os.kill(agent.pid, signal.SIGTERM)
        time.sleep(0.01)
    code, said = agent.wait(20)
    return losses + ([] if code == 0 else [f"it ended with {code}: {said[-600:]}"]) + no_defect(said)


def signals_at_the_start(story: Story, device: Device) -> list[str]:
    """It is told to end while it starts."""
    agent = _run(device)
    time.sleep(0.15)
    for _ in range(SIGNALS):
        if agent.ended() is None:
            os.kill(agent.pid, signal.SIGTERM)
        time.sleep(0.005)
    code, said = agent.wait(20)
    return ([] if code in (0, -signal.SIGTERM) else [f"it ended with {code}: {said[-600:]}"]) + no_defect(said)


def stood_still(story: Story, device: Device) -> list[str]:
    """It stands still for a while, three times."""
    agent = _run(device)
    losses = serves(story, agent)
    for _ in range(3):
        agent.hold()
        time.sleep(TROUBLE_S / 3)
        losses = losses or serves(story, agent)
        agent.go()
        time.sleep(0.2)
    return (losses or gets_there(story, device, agent)) + ends_well(agent)


def second_agent(story: Story, device: Device) -> list[str]:
    """Another agent is started on its store: that one is refused, and the first goes on."""
    agent = _run(device)
    losses = serves(story, agent)
    folder = device.folder / "second"
    folder.mkdir()
    code, said = Agent(folder, "run", "--config", str(device.config)).wait(20)
    if code != 1 or "another agent runs on" not in said:
        losses.append(f"the second ended with {code}: {said[-600:]}")
    return (losses or gets_there(story, device, agent)) + ends_well(agent)


def lost_blobs(story: Story, device: Device) -> list[str]:
    """Somebody removes the artifacts under a running agent: what is loaded serves on, and the rest is fetched again."""
    agent = _run(device)
    losses = serves(story, agent) or gets_there(story, device, agent)
    shutil.rmtree(device.state / "blobs")
    losses = losses or serves(story, agent)
    losses += ends_well(agent)
    agent = _run(device)
    losses = losses or serves(story, agent) or gets_there(story, device, agent, tells="store-damaged")
    return losses + ends_well(agent) + ([] if losses or "store-damaged" in told(device) else ["it does not say so"])


EVENTS: Mapping[str, Callable[[Story, Device], list[str]]] = {
    "disk read-only": read_only,
    "disk read-only at the start": read_only_at_the_start,
    "temporary files full": no_temporary_files,
    "no open files left": no_open_files,
    "no memory left": no_processes,
    "told to end twenty times": many_signals,
    "told to end while it starts": signals_at_the_start,
    "stopped and continued": stood_still,
    "a second agent": second_agent,
    "artifacts removed": lost_blobs,
}
"""Name to what happens."""

NEED_A_MOUNT = ("disk read-only", "disk read-only at the start", "temporary files full")


def _lift(agent: Agent, limit: tuple[int, int]) -> None:
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, limit)


@contextmanager
def _on_a_disk(device: Device) -> Iterator[Path]:
    """Put the state folder on a small disk of its own for a while."""
    folder = device.folder / "image"
    folder.mkdir()
    with ext4(folder) as disk:
        shutil.move(device.state, disk / "state")
        device.state.symlink_to(disk / "state")
        yield disk
        device.state.unlink()
        shutil.copytree(disk / "state", device.state, symlinks=True)


def _remount(disk: Path, how: str) -> None:
    """Remount it as soon as nobody writes."""
    for _ in range(200):
        done = subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=False, capture_output=True)
        if done.returncode == 0:
            return
        time.sleep(0.02)
    raise OSError(f"cannot remount: {done.stderr!r}")
