"""The clock is wrong: ten years behind, ten years ahead, stepping while an update runs."""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, comes_back, is_whole, no_defect, serves, told
from faults.processes import Agent
from faults.scene import OLD, Device, Story
from ringtide_agent.adapters.disk_store import DiskStore

YEAR_S = 365 * 86400
STEPS, FEW_STEPS, CLOCK_S = 12, 4, 60
"""Seeds tried, and the seconds for each row in CI."""

MOST_STEPS = 24
"""Of one try: the device polls every second, and most steps leave it with a wrong clock."""

WRONG_S = 3.0
"""How long the wrong clock is watched: some polls, since the device asks every second."""

_LINE = re.compile(r"(?m)^(\d{4})-\d\d-\d\d ")

FAKETIME = tuple(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def rows(bench: Bench) -> Iterator[Row]:
    """Ten years back and forward from the start on, then steps."""
    if not FAKETIME:
        yield Row(fault="clock ten years off, and stepping", skipped="needs libfaketime: not installed")
        return
    yield bench.row("clock ten years behind, then right", wrong_by, [-10], seconds=CLOCK_S)
    yield bench.row("clock ten years ahead, then right", wrong_by, [10], seconds=CLOCK_S)
    seeds = [bench.seed + number for number in range(STEPS if bench.full else FEW_STEPS)]
    yield bench.row("clock stepping years during an update", stepping, seeds, seconds=CLOCK_S)


def wrong_by(story: Story, folder: Path, years: int) -> Outcome:
    """The device serves, installs nothing, keeps its floor, says why; when the clock is right it gets there."""
    begin = time.monotonic()
    device = story.copy(folder)
    floor = DiskStore(device.state).load_floor()
    (folder / "clock").write_text(f"{years * YEAR_S:+d}")
    agent = WrongClock(device)
    losses = serves(story, agent)
    time.sleep(WRONG_S)
    losses = losses or serves(story, agent) or is_whole(story, device)
    running = device.active()
    if not losses and (running is None or running.release != OLD):
        losses.append("it has installed something by a wrong clock")
    if not losses and DiskStore(device.state).load_floor() != floor:
        losses.append("the floor has moved")
    agent.stop()
    if not losses and not told(device) & {"clock-behind", "stale"}:
        losses.append(f"its reports do not say why: {sorted(told(device))}; {agent.said()[-400:]}")
    losses = losses or comes_back(story, device)
    return _outcome(f"{years:+d} years", losses, begin, folder)


def stepping(story: Story, folder: Path, seed: int) -> Outcome | None:
    """Whatever the clock does while an update runs, the device serves; when it is right again it gets there.

    None where the agent saw no step before the end of the update: its own log, whose times are the wrong clock's, tells.
    """
    begin, dice = time.monotonic(), random.Random(seed)
    device = story.copy(folder)
    clock = folder / "clock"
    clock.write_text("+0")
    agent = WrongClock(device)
    losses = serves(story, agent)
    for _ in range(MOST_STEPS):
        clock.write_text(f"{dice.choice((-10, -1, 0, 0, 0, 1, 10)) * YEAR_S:+d}")
        time.sleep(dice.uniform(0.2, 1.2))
        if "Confirming + Confirmed" in agent.said():
            break
    losses = losses or serves(story, agent) or is_whole(story, device)
    losses += no_defect(agent.said())
    agent.stop()
    years = set(_LINE.findall(agent.said().partition("Confirming + Confirmed")[0]))
    if not losses and len(years) < 2:
        return None
    return _outcome(f"steps of seed {seed}", losses or comes_back(story, device), begin, folder)


class WrongClock(Agent):
    """An agent under libfaketime, which must be loaded at the start of a program: no fork of one that runs already."""

    def __init__(self, device: Device) -> None:
        """Start `run` with the clock moved by what the file `clock` beside the state folder says at every moment."""
        self._log = device.folder / "said.txt"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "ORT_DISABLE_TELEMETRY": "1",
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(device.folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        words = [sys.executable, "-P", "-m", "ringtide_agent", "run", "--config", str(device.config)]
        with self._log.open("wb") as log:
            process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid, self._ended = process.pid, None
        process.returncode = 0  # `Agent` waits for it


def _outcome(point: str, losses: list[str], begin: float, folder: Path) -> Outcome:
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=point, losses=tuple(losses), seconds=time.monotonic() - begin)
