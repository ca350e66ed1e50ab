"""What must hold after every fault, whatever it was."""

import http.client
import json
import time
from dataclasses import dataclass

from agent.serve.models import tensor
from faults.processes import Agent
from faults.scene import NEW, OLD, QUESTION, Device, Scene
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.journal import REPORTS_ENTRY, decode_record, model_entry
from ringtide_agent.reporting import Ledger
from ringtide_agent.state import Idle
from ringtide_contract.errors import RingtideError

COMES_BACK_S = 45.0
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


def is_whole(device: Device) -> list[str]:
    """The slot that the model runs from holds the old release or the new one, every byte of it."""
    try:
        active = device.active()
    except (OSError, RingtideError) as error:
        return [f"what runs cannot be read: {error}"]
    if active is None:
        return ["what runs is not whole"]
    return [] if active.release in (OLD, NEW) else [f"it runs {active.release}"]


def comes_back(scene: Scene, device: Device, *, strict_files: bool = True) -> list[str]:
    """Started anew it answers by one of both releases, gets where it was asked to, and reports without a gap."""
    agent = Agent(device.folder, "run", "--config", str(device.config))
    losses = serves(scene, agent)
    end = time.monotonic() + COMES_BACK_S
    while not losses and not arrived(scene, device):
        if agent.ended() is not None or time.monotonic() > end:
            losses.append(f"it does not reach the desired state: {agent.said()[-600:]}")
        time.sleep(0.05)
    if (code := agent.stop()) != 0:
        losses.append(f"it ended with {code}: {agent.said()[-600:]}")
    if "Traceback" in agent.said():
        losses.append(f"a defect: {agent.said()[-600:]}")
    losses += is_whole(device)
    if not losses:
        losses += tells_all(scene, device)
    if not losses and strict_files and (junk := device.files() - scene.clean_files):
        losses.append(f"it leaves {', '.join(sorted(junk))}")
    return losses


def serves(scene: Scene, agent: Agent) -> list[str]:
    """A running agent answers a request as the old release or the new one does."""
    end, trouble = time.monotonic() + COMES_BACK_S, "it says no address"
    while time.monotonic() < end and agent.ended() is None:
        address = agent.address()
        if address is not None:
            try:
                given = ask(address)
            except (OSError, http.client.HTTPException, ValueError) as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                known = scene.answers().values()
                if any(max(abs(a - b) for a, b in zip(given, answer, strict=True)) < 1e-4 for answer in known):
                    return []
                return [f"a wrong answer: {given}"]
        time.sleep(0.02)
    return [f"it does not serve: {trouble}; {agent.said()[-600:]}"]


def ask(address: tuple[str, int]) -> list[float]:
    """Ask for one inference."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        body = json.dumps({"inputs": [tensor("x", QUESTION)]})
        connection.request("POST", "/v2/models/digits/infer", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}: {content[:200]!r}")
        return [float(value) for value in json.loads(content)["outputs"][0]["data"]]
    finally:
        connection.close()


def arrived(scene: Scene, device: Device) -> bool:
    """Tell whether the disk shows the new release confirmed and every report sent."""
    try:
        store = DiskStore(device.state, verify=False)
        record = decode_record(store.load_journal(model_entry("digits")) or b"")
        ledger = Ledger.decode(store.load_journal(REPORTS_ENTRY) or b"")
        idle = isinstance(record.state, Idle) and record.confirmed == scene.digest
        if not idle or ledger.outbox or store.active_slot("digits") is None:
            return False
        last = device.reports()[-1][0]
        part = last.models["digits"]
    except (RingtideError, IndexError, KeyError):
        return False
    return last.number == ledger.number and part.phase == "confirmed" and part.desired == scene.digest


def tells_all(scene: Scene, device: Device) -> list[str]:
    """Every report number from 1 is there, each naming the one before it."""
    reports = device.reports()
    numbers = [report.number for report, _ in reports]
    if numbers != list(range(1, len(numbers) + 1)):
        return [f"the numbers of its reports have a gap: {numbers}"]
    chain = [None, *(digest for _, digest in reports)]
    broken = [report.number for (report, _), before in zip(reports, chain, strict=False) if report.previous != before]
    return [f"the chain of reports is broken at {broken}"] if broken else []
