"""Twenty agents for a day of virtual time, with faults drawn from a seed, and what must hold at its end.

Every few hours the fleet asks for another release: good ones, one that its trial refuses, one whose worker crashes on
probation. Meanwhile each device is killed at writes, cut off from publications, artifacts and reports, its disk fills up,
its clock jumps by years, its trials and its worker fail. The last hours are calm.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fakes.agent_store import DyingStore, Killed
from fakes.agent_world import FakeSink, World
from fakes.publication import CLASS_ID, START, build_publication, make_manifest, steady
from faults.bench import Bench, Row
from faults.laws import Outcome
from ringtide_agent.journal import REPORTS_ENTRY
from ringtide_agent.reporting import Ledger
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import DeviceId, parse_device_id, sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import Manifest

AGENTS, HOURS, TURN_S = 20, 24, 61
CALM_HOURS = 3
"""A release that was given up for an hour gets two more chances."""

REFUSED, CRASHING = "1.2.0-refused", "1.4.0-crashes"
RELEASES = ("1.0.0", "1.1.0", REFUSED, "1.3.0", CRASHING, "1.5.0", "1.6.0")
"""One every three hours; every device must end with the last."""

KILLING_TURNS = 4
"""How long half of the devices are killed at writes after each publication: short of what a release is blamed for."""

FAULT_SHARE = 0.04
"""Of the turns of a device that begin a fault."""

LONGEST_TURNS = 40
"""How long a fault lasts at most, in turns; reports of that time fit the outbox."""


class FaultyStore(DyingStore):
    """A store that dies at a chosen write, and whose disk may be full."""

    full = False

    def _write(self, act: Callable[[], None]) -> None:
        if self.full:
            raise TransientError("cannot write: No space left on device")
        super()._write(act)


@dataclass
class ForgetfulSink(FakeSink):
    """Takes reports; may lose its answer."""

    mute: bool = False

    def push(self, device, reports) -> None:  # type: ignore[no-untyped-def]
        super().push(device, reports)
        if self.mute:
            raise TransientError("the answer was lost")


@dataclass
class Soaked:
    """One device, and what ails it until which turn."""

    world: World
    ails: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    faults: int = 0

    def heal(self, turn: int) -> None:
        """End what has lasted long enough."""
        for name in [name for name, until in self.ails.items() if until <= turn]:
            del self.ails[name]
            self._set(name, ails=False)

    def ail(self, name: str, until: int) -> None:
        """Begin a fault."""
        self.ails[name] = until
        self.faults += 1
        self._set(name, ails=True)

    def turn(self, dice: random.Random) -> None:
        """Make one turn; a killed agent is started again, by whoever watches it."""
        world = self.world
        if "killed" in self.ails and world.store.dies_at is None:
            world.store.dies_at, world.store.after = world.store.writes + dice.randint(1, 12), dice.random() < 0.5
        try:
            world.turn(TURN_S)
        except Killed:
            world.store.dies_at = None
            self.kills += 1
            world.start()
        if world.runs() == CRASHING:
            world.service.crashed[sha256(make_manifest(CRASHING).encode())] = 1

    def _set(self, name: str, *, ails: bool) -> None:
        world, trouble = self.world, TransientError(f"{name}: drawn by the seed")
        match name:
            case "source":
                world.source.failure = trouble if ails else None
            case "sink":
                world.sink.failure = trouble if ails else None
            case "mute":
                world.sink.mute = ails
            case "artifacts":
                world.artifacts.failure = trouble if ails else None
            case "mirror":
                world.artifacts.failure = TrustError("BLOB-DIGEST", "other bytes") if ails else None
            case "prober":
                world.prober.trouble = trouble if ails else None
            case "service":
                world.service.failure = trouble if ails else None
            case "disk":
                world.store.full = ails
            case "clock back" | "clock ahead":
                years = timedelta(days=3650 if (name == "clock ahead") == ails else -3650)
                world.clock.wall += years
            case "restart":
                if ails:
                    world.start()
            case "killed":
                world.store.dies_at = None


FAULTS = (
    "source", "sink", "mute", "artifacts", "mirror", "prober", "service", "disk", "clock back", "clock ahead", "restart",
    "killed",
)  # fmt: skip


def rows(bench: Bench) -> Iterator[Row]:
    """One day; three with `--full`."""
    begin = time.monotonic()
    seeds = [bench.seed + number for number in range(3 if bench.full else 1)]
    outcomes, notes = [], []
    for seed in seeds:
        devices, losses = soak(seed)
        faults, kills = sum(device.faults for device in devices), sum(device.kills for device in devices)
        reports = sum(len(device.world.sink.taken) for device in devices)
        notes.append(f"{faults} faults, {kills} of them kills at a write, {reports} reports accounted for")
        outcomes.append(Outcome(point=f"seed {seed}", losses=tuple(losses), seconds=0))
    yield Row(
        fault=f"{HOURS} virtual hours of {AGENTS} agents with random faults",
        tried=AGENTS * len(seeds),
        losses=tuple(outcome for outcome in outcomes if outcome.losses),
        seconds=time.monotonic() - begin,
        note="; ".join(notes),
    )


def soak(seed: int, *, agents: int = AGENTS, hours: int = HOURS) -> tuple[Sequence[Soaked], list[str]]:
    """Live through the hours; return the devices and what was lost."""
    dice = random.Random(seed)
    devices = [_device(number) for number in range(1, agents + 1)]
    turns, losses = hours * 3600 // TURN_S, []
    every = turns // (len(RELEASES) + 1)
    for turn in range(turns):
        if turn % every == 0 and turn // every < len(RELEASES):
            _publish(devices, turn // every)
            for device in dice.sample(devices, len(devices) // 2):  # there is most to kill while something is installed
                device.ail("killed", turn + KILLING_TURNS)
        calm = turn >= turns - CALM_HOURS * 3600 // TURN_S
        for device in devices:
            device.heal(turns if calm else turn)
            if not calm and dice.random() < FAULT_SHARE:
                name = dice.choice([name for name in FAULTS if not ("clock" in name and "clock" in str(device.ails))])
                if name not in device.ails:
                    device.ail(name, turn + dice.randint(1, LONGEST_TURNS))
            had = device.world.runs()
            device.turn(dice)
            if had is not None and device.world.runs() is None:
                losses.append(f"{device.world.settings.device} runs nothing at turn {turn}")
    for device in devices:
        losses += _accounts(device)
    return devices, losses


def _accounts(device: Soaked) -> list[str]:
    """It runs the last release, confirmed, serves it, and every number of its reports has arrived, chained."""
    world, name = device.world, device.world.settings.device
    ends = (world.runs(), world.state(), world.agent.outcome(), world.service.serves().get("digits"))
    losses = [] if ends == (RELEASES[-1], "Idle", "converged", RELEASES[-1]) else [f"{name} ends as {ends}"]
    ledger = Ledger.decode(world.store.load_journal(REPORTS_ENTRY) or b"")
    reports = world.sink.reports()
    numbers = [report.number for report in reports]
    if numbers != list(range(1, ledger.number + 1)) or ledger.outbox:
        losses.append(f"{name} has made {ledger.number} reports, {len(numbers)} arrived, {len(ledger.outbox)} wait")
    chain = [None, *(sha256(report.encode()) for report in reports)]
    if any(report.previous != before for report, before in zip(reports, chain, strict=False)):
        losses.append(f"{name}: the chain of reports is broken")
    return losses


def _device(number: int) -> Soaked:
    world = World(FaultyStore(), parse_device_id(f"crane-{number:02}"))
    world.sink = ForgetfulSink(device=world.settings.device)
    world.prober.failures[f"{REFUSED}#0"] = "golden"
    world.start()
    return Soaked(world=world)


def _publish(devices: Sequence[Soaked], number: int) -> None:
    manifest: Manifest = make_manifest(RELEASES[number])
    rows: dict[DeviceId, IndexRow] = {
        device.world.settings.device: IndexRow(class_id=CLASS_ID, state="active") for device in devices
    }
    issued = START + timedelta(seconds=TURN_S * number)
    files = build_publication(rows, [steady(manifest)], [manifest], number + 1, issued_at=issued)
    for device in devices:
        device.world.source.files = files
