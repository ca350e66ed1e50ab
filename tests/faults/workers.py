"""The inference worker crashes, hangs, leaks, or is killed: on probation the release is reverted, at rest it is restarted."""

import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from faults import bad_worker
from faults.bench import Bench, Row
from faults.laws import Outcome, ends_well, gets_there, is_whole, serves, tells_all
from faults.processes import Agent
from faults.scene import LONG, OLD, Device, Story
from ringtide_agent import wiring
from ringtide_agent.adapters import worker_process

WORKERS_S = 60
BAD_S = 16.0
"""How long a worker at rest stays bad."""

COUNT_S = 1.0
"""In place of five seconds for an answer; a worker is taken for hung after three of them."""

MOST_ENDS = 6
"""In that time, with pauses that double from one second on."""


def rows(bench: Bench) -> Iterator[Row]:
    """Each way, on probation and at rest."""
    ways = list(bad_worker.HOW)
    yield bench.row(
        "worker of a release on probation ails", on_probation, ways, seconds=WORKERS_S, story=bench.scene.failing
    )
    yield bench.row("worker at rest ails, then not", at_rest, ways, seconds=WORKERS_S, story=bench.scene.rest)


def on_probation(story: Story, folder: Path, how: str) -> Outcome:
    """The release is reverted for it, the old one answers all the while, and the reports say why."""
    begin, device = time.monotonic(), story.copy(folder)
    agent = _agent(device, how, LONG)
    losses = serves(story, agent) + gets_there(story, device, agent)
    losses = losses or serves(replace(story, may_run=(OLD,)), agent) or is_whole(story, device)
    losses += ends_well(agent)
    steps = [failure.step for failure in device.reports()[-1][0].models["digits"].failures]
    if not losses and steps != ["crash"]:
        losses = [f"it reports {steps}"]
    return _outcome(f"{how} on probation", losses or tells_all(device), begin, folder)


def at_rest(story: Story, folder: Path, how: str) -> Outcome:
    """It is restarted ever more slowly, each end is counted in the reports, and the agent serves on once it is well."""
    begin, device = time.monotonic(), story.copy(folder)
    text = device.config.read_text()
    device.config.write_text(re.sub(r"(?m)(?<=^\[report\]\ninterval_s = )\d+", "1", text))
    agent = _agent(device, how, OLD)
    losses = serves(story, agent)
    time.sleep(BAD_S)
    ends = _ends(device)
    if not losses and not 1 <= ends <= MOST_ENDS:
        losses = [f"{ends} ends of its worker are reported; {agent.said()[-600:]}"]
    (folder / "well").touch()
    losses = losses or serves(story, agent) or gets_there(story, device, agent) or is_whole(story, device)
    losses += ends_well(agent)
    return _outcome(f"{how} at rest, {ends} times", losses or tells_all(device), begin, folder)


def _agent(device: Device, how: str, release: str) -> Agent:
    worker_process.COUNT_S = COUNT_S
    command = (
        sys.executable,
        "-P",
        str(Path(bad_worker.__file__).resolve()),
        how,
        release,
        str(device.folder / "well"),
    )
    wiring.WorkerProcess = partial(worker_process.WorkerProcess, command=command)  # type: ignore[misc,assignment]
    return Agent(device.folder, "run", "--config", str(device.config))


def _ends(device: Device) -> int:
    reports = device.reports()
    counters = reports[-1][0].models["digits"].counters if reports else ()
    return sum(item.crashes for item in counters)


def _outcome(point: str, losses: list[str], begin: float, folder: Path) -> Outcome:
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=point, losses=tuple(losses), seconds=time.monotonic() - begin)
