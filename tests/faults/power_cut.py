"""The power fails: the device lives on a small ext4, whose backing file is copied at random moments of an update.

What was written and not yet synced is in no copy, and ext4 is told not to hide a forgotten fsync (`noauto_da_alloc`).
"""

import contextlib
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, arrived, comes_back, gets_there, is_whole, serves
from faults.processes import Agent
from faults.scene import Device, Story, settle

CUTS, FEW_CUTS, CUTS_PER_UPDATE, CUTS_S, FULL_S = 200, 40, 5, 60, 25
UPDATE_S = 3.5
"""About as long as an update takes; what comes later is a device at rest."""

IMAGE_MIB = 16
_SAYS_WHY = re.compile(r"No space left|Out of diskspace|disk full")

FREE_KIB = (0, 2, 4, 8, 12, 16, 24, 32)
"""Room that the full disk still has: each value fails at another write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update that is cut several times: each cut is a copy, the update goes on."""

    moments: tuple[float, ...]
    """Seconds after its start."""


def rows(bench: Bench) -> Iterator[Row]:
    """Cut the power; then fill the disk."""
    missing = bench.lacks("mkfs.ext4", "mount", "umount", root=True) or cannot_mount(bench.folder)
    if missing:
        yield Row(fault="power cut at a random moment of an update", skipped=missing)
        yield Row(fault="disk full, then not", skipped=missing)
        return
    dice = random.Random(bench.seed)
    count = CUTS if bench.full else FEW_CUTS
    cuts = [dice.uniform(0.0, UPDATE_S) for _ in range(count)]
    updates = count // CUTS_PER_UPDATE
    tries = [Update(moments=tuple(sorted(cuts[number::updates]))) for number in range(updates)]
    yield bench.row("power cut at a random moment of an update", cut_at, tries, seconds=CUTS_S)
    yield bench.row("disk full, then not", full_with, FREE_KIB, seconds=FULL_S)


def cut_at(story: Story, folder: Path, update: Update) -> Outcome:
    """Take a copy at each moment of one update, then bring every copy back."""
    begin = time.monotonic()
    folder.mkdir(parents=True)
    losses: list[str] = []
    saw: list[str] = []
    with ext4(folder) as disk:
        device = settle(story.template, disk / "device")
        subprocess.run(["sync", "-f", str(disk)], check=True)
        agent = Agent(device.folder, "once", "--config", str(device.config), "--wait", "20")
        start = time.monotonic()
        for number, moment in enumerate(update.moments):
            time.sleep(max(0.0, start + moment - time.monotonic()))
            _take(agent, folder, device, number)
        agent.wait()
    for number, moment in enumerate(update.moments):
        with mounted(folder / f"{number}.img", folder / f"{number}.mnt") as disk:
            after = settle(Device(folder=disk / "device"), folder / str(number), named=device.folder)
        shutil.rmtree(after.folder / "reports.git")
        shutil.move(folder / f"{number}.git", after.folder / "reports.git")
        found = is_whole(story, after)
        saw.append("" if found else after.release)
        found = found or comes_back(story, after)
        losses += [f"cut {moment:.3f} s after the start: {loss}" for loss in found]
    if not losses:
        shutil.rmtree(folder)
    return Outcome(
        point=f"cuts at {update.moments}",
        losses=tuple(losses),
        seconds=time.monotonic() - begin,
        saw=tuple(saw),
    )


SAYS_WHY_S = 60.0
"""What a busy machine may take to run into a full disk."""


def full_with(story: Story, folder: Path, free_kib: int) -> Outcome:
    """Leave so much room, let the update run into it, then make room: it serves all the while, says why, gets there."""
    begin = time.monotonic()
    folder.mkdir(parents=True)
    with ext4(folder) as disk:
        device = story.copy(folder / "device")  # its reports go to another disk
        shutil.move(device.state, disk / "state")
        device.state.symlink_to(disk / "state")
        filler = _fill(disk, free_kib)
        agent = Agent(folder, "run", "--config", str(device.config), pause_s=1)
        losses = serves(story, agent) or is_whole(story, device)
        time.sleep(3)
        end = time.monotonic() + SAYS_WHY_S
        while not arrived(story, device) and not _SAYS_WHY.search(agent.said()) and time.monotonic() < end:
            time.sleep(0.05)
        losses = losses or serves(story, agent) or is_whole(story, device)
        if not losses and not arrived(story, device) and not _SAYS_WHY.search(agent.said()):
            losses = [f"it does not say why: {agent.said()[-600:]}"]
        filler.unlink()
        losses = losses or gets_there(story, device, agent)
        agent.stop()
        losses = losses or comes_back(story, device, strict_files=False)
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=f"{free_kib} KiB free", losses=tuple(losses), seconds=time.monotonic() - begin)


@contextmanager
def ext4(folder: Path) -> Iterator[Path]:
    """Make a small file system in a file of `folder`, and mount it."""
    image = folder / "disk.img"
    command = ["mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", str(image), f"{IMAGE_MIB}M"]
    subprocess.run(command, check=True, capture_output=True)
    with mounted(image, folder / "disk") as disk:
        yield disk


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """Mount an image; a dirty one replays its journal."""
    place.mkdir()
    options = "loop,commit=1,noauto_da_alloc"
    subprocess.run(["mount", "-t", "ext4", "-o", options, str(image), str(place)], check=True, capture_output=True)
    try:
        yield place
    finally:
        # A child that a killed agent has left may still hold it for a moment.
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)
        place.rmdir()


def _take(agent: Agent, folder: Path, device: Device, number: int) -> None:
    """Copy the disk as it is now; the agent stands still so that the repository of its reports is of the same moment."""
    agent.hold()
    try:
        image, before = folder / "disk.img", b""
        for _ in range(50):  # two copies in a row that are the same are one moment of the disk
            content = image.read_bytes()
            if content == before:
                break
            before = content
        else:
            raise OSError("the disk never stands still")
        (folder / f"{number}.img").write_bytes(content)
        command = ["git", "clone", "--quiet", "--mirror", device.origin.url, str(folder / f"{number}.git")]
        subprocess.run(command, check=True, capture_output=True)
    finally:
        agent.go()


def _fill(disk: Path, free_kib: int) -> Path:
    filler = disk / "filler"
    left = shutil.disk_usage(disk).free - free_kib * 1024
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while left > 0:
            left -= file.write(bytes(min(1024, left)))
    subprocess.run(["sync", "-f", str(disk)], check=True)
    return filler


def cannot_mount(folder: Path) -> str:
    """Say why no image can be mounted here; nothing where it can."""
    with tempfile.TemporaryDirectory(dir=folder) as there:
        try:
            with ext4(Path(there)):
                return ""
        except subprocess.CalledProcessError as error:
            return f"cannot mount an image: {error.stderr.decode(errors='replace').strip()[:100]}"
