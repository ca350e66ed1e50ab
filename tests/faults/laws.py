"""What must hold after every fault, whatever it was."""

import contextlib
import http.client
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.serve.models import tensor
from faults.processes import Agent
from faults.scene import NOTHING, QUESTION, Device, Story
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.journal import REPORTS_ENTRY, decode_record, model_entry
from ringtide_agent.reporting import Ledger
from ringtide_agent.state import Idle
from ringtide_contract.errors import RingtideError

COMES_BACK_S = 120.0
"""For an answer after the start, and for the desired state after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One try."""

    point: str
    """What was done, and where."""
    losses: tuple[str, ...]
    """What was lost; nothing where the device survived."""
    seconds: float
    """How long it took."""
    saw: tuple[str, ...] = ("",)
    """For every point that it stands for, the release that the device was on just after the fault."""


def prepared(story: Story, folder: Path) -> Story:
    """Return the story with the files that it leaves when nothing happens."""
    device = story.copy(folder)
    through(story, device, begin(story, device))
    if not arrived(story, device):
        raise RuntimeError(f"{story.name} fails without a fault: {Agent.said_in(device.folder)}")
    return replace(story, clean_files=frozenset(device.files()))


def begin(story: Story, device: Device, *, held: bool = False) -> Agent:
    """Start what the story tells; with callers to come, it must say where it serves."""
    words = ("run",) if story.poisoned else ("once", "--wait", "20")
    return Agent(device.folder, words[0], "--config", str(device.config), *words[1:], held=held)


def through(story: Story, device: Device, agent: Agent) -> tuple[int, str]:
    """Live through the story, or as much of it as a fault leaves; return the exit code and what was said."""
    end = time.monotonic() + COMES_BACK_S
    while story.poisoned and agent.ended() is None and time.monotonic() < end and not arrived(story, device):
        poison(story, agent)
        time.sleep(0.05)
    if story.poisoned:
        agent.stop()
    return agent.wait()


def is_whole(story: Story, device: Device) -> list[str]:
    """The slot that the model runs from holds a release that the story allows, every byte of it, or rightly nothing."""
    if NOTHING in story.may_run and not (device.model / "active").exists():
        return []
    try:
        active = device.active()
    except (OSError, RingtideError) as error:
        return [f"what runs cannot be read: {error}"]
    if active is None:
        return ["what runs is not whole"]
    return [] if active.release in story.may_run else [f"it runs {active.release}"]


def comes_back(
    story: Story, device: Device, *, strict_files: bool = True, forgot: bool = False, tells: str = ""
) -> list[str]:
    """Started anew it answers as it may, gets where it was asked to, and reports without a gap.

    Args:
        story: Where it must end.
        device: It.
        strict_files: Whether it may leave no file but those of a device that nothing happened to.
        tells: What its reports must say before it is there.
        forgot: Whether it lost the number of its last report, and so must leave a gap and say so.
    """
    agent = Agent(device.folder, "run", "--config", str(device.config))
    losses = serves(story, agent) + gets_there(story, device, agent, tells=tells)
    losses = losses or ends_well(agent) + is_whole(story, device)
    losses = losses or (jumps(device) if forgot else tells_all(device))
    if not losses and strict_files and (junk := device.files() - story.clean_files):
        losses.append(f"it leaves {', '.join(sorted(junk))}")
    agent.stop()
    return losses


def gets_there(story: Story, device: Device, agent: Agent, *, tells: str = "") -> list[str]:
    """A running agent reaches the end of its story, and has reported what it must tell."""
    end = time.monotonic() + COMES_BACK_S
    while not arrived(story, device) or (tells and tells not in told(device)):
        if agent.ended() is not None or time.monotonic() > end:
            return [f"it does not reach the desired state: {agent.said()[-600:]}"]
        poison(story, agent)
        time.sleep(0.05)
    if story.ends == NOTHING and (address := agent.address()) is not None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return [f"it still answers: {ask(address)}"]
    return []


def told(device: Device) -> set[str]:
    """Return every condition that was ever reported."""
    return {condition.type for report, _ in device.reports() for condition in report.conditions}


def ends_well(agent: Agent) -> list[str]:
    """Asked to, it ends with 0, and it never showed a traceback."""
    losses = [] if (code := agent.stop()) == 0 else [f"it ended with {code}: {agent.said()[-600:]}"]
    return losses + no_defect(agent.said())


def no_defect(said: str) -> list[str]:
    """No traceback was shown."""
    return [f"a defect: {said[said.index('Traceback') :][:3000]}"] if "Traceback" in said else []


def serves(story: Story, agent: Agent) -> list[str]:
    """A running agent answers a request as one of the releases does that may run; one that ends with none may be silent."""
    if story.ends == NOTHING:
        return []
    end, trouble = time.monotonic() + COMES_BACK_S, "it says no address"
    while time.monotonic() < end and agent.ended() is None:
        address = agent.address()
        if address is not None:
            try:
                given = ask(address)
            except (OSError, http.client.HTTPException, ValueError) as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                known = story.answers()
                if any(max(abs(a - b) for a, b in zip(given, answer, strict=True)) < 1e-4 for answer in known):
                    return []
                return [f"a wrong answer: {given}"]
        time.sleep(0.02)
    return [f"it does not serve: {trouble}; {agent.said()[-600:]}"]


def poison(story: Story, agent: Agent) -> None:
    """Ask what the story's bad release cannot answer."""
    address = agent.address() if story.poisoned else None
    if address is not None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            ask(address, np.repeat(QUESTION, 3, axis=0))


def ask(address: tuple[str, int], question: np.ndarray = QUESTION) -> list[float]:
    """Ask for one inference."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        body = json.dumps({"inputs": [tensor("x", question)]})
        connection.request("POST", "/v2/models/digits/infer", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}: {content[:200]!r}")
        return [float(value) for value in json.loads(content)["outputs"][0]["data"]]
    finally:
        connection.close()


def arrived(story: Story, device: Device) -> bool:
    """Tell whether the disk shows the end of the story, remembered as it must be, and every report was sent."""
    try:
        store = DiskStore(device.state, verify=False)
        record = decode_record(store.load_journal(model_entry("digits")) or b"")
        ledger = Ledger.decode(store.load_journal(REPORTS_ENTRY) or b"")
        if ledger.outbox or not ledger.number or device.release != story.ends:
            return False
        if story.phase == "reverted" and story.asked not in {failure.manifest for failure in record.failures}:
            return False
        if story.phase == "confirmed" and not (isinstance(record.state, Idle) and record.confirmed == story.asked):
            return False
        last = device.reports()[-1][0]
        part = last.models["digits"]
    except (OSError, RingtideError, IndexError, KeyError):
        return False
    return last.number == ledger.number and part.phase == story.phase and part.desired == story.asked


def tells_all(device: Device) -> list[str]:
    """Every report number from 1 is there, each naming the one before it."""
    reports = device.reports()
    numbers = [report.number for report, _ in reports]
    if numbers != list(range(1, len(numbers) + 1)):
        return [f"the numbers of its reports have a gap: {numbers}"]
    chain = [None, *(digest for _, digest in reports)]
    broken = [report.number for (report, _), before in zip(reports, chain, strict=False) if report.previous != before]
    return [f"the chain of reports is broken at {broken}"] if broken else []


def jumps(device: Device) -> list[str]:
    """No number is used twice, the chain begins anew once, and the first report after that says why."""
    reports = [report for report, _ in device.reports()]
    anew = [report for report in reports if report.previous is None]
    if len(anew) == 2 and any(condition.type == "store-damaged" for condition in anew[1].conditions):
        return []
    return [
        f"its reports are {[report.number for report in reports]}, and begin anew at {[item.number for item in anew]}"
    ]
