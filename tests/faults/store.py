"""The store is not as it was left: each file damaged in turn, or everything written by a newer version."""

import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from faults.bench import Bench, Row
from faults.laws import Outcome, begin, comes_back, is_whole, no_defect, serves, through
from faults.processes import Agent
from faults.scene import Device, Story
from ringtide_agent.adapters.disk_store import FORMAT

DAMAGED_S, NEWER_S = 60, 15

DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    "with a turned bit": lambda content: content[: len(content) // 3] + _turned(content[len(content) // 3 :]),
    "zeroed": lambda content: bytes(len(content)),
}

GIVEN = ("agent.toml", "device.key", "trust/root.json")
"""What a person has given the device: nothing else here could bring it back."""

OWN = ("journal", "models", "blobs", "floor.json")
"""Whose damage must be reported; what is learnt from publications is fetched again with the next."""

MARKS = ("lock", "format")
"""Whose content says nothing that could be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What happens to a file."""

    path: str
    how: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.path} {self.how}"


def rows(bench: Bench) -> Iterator[Row]:
    """Damage one file a try; then show an agent a store that it cannot know."""
    after = bench.update.copy(bench.folder / "after")
    through(bench.update, after, begin(bench.update, after))
    story = replace(bench.update, template=after)
    dice = random.Random(bench.seed)
    paths = sorted(after.files() - set(MARKS)) + (_cache(after) if bench.full else [])
    tries = [
        Damage(path=path, how=how)
        for path in paths
        for how in (DAMAGES if bench.full else [dice.choice(list(DAMAGES))])
        if DAMAGES[how]((after.state / path).read_bytes()) != (after.state / path).read_bytes()
    ]
    yield bench.row("a file of the store damaged", damaged, tries, seconds=DAMAGED_S, story=story)
    yield bench.row("a store of a newer version", newer, ["run", "once"], seconds=NEWER_S, story=story)


def damaged(story: Story, folder: Path, damage: Damage) -> Outcome:
    """It is rebuilt from what still verifies, and the device says so; what a person gave is asked for by name."""
    start, device = time.monotonic(), story.copy(folder)
    path = device.state / damage.path
    path.write_bytes(DAMAGES[damage.how](path.read_bytes()))
    if damage.path in GIVEN:
        losses = _asks_for(story, device, damage.path)
    else:
        tells = "store-damaged" if damage.path.split("/")[0] in OWN else ""
        losses = comes_back(story, device, forgot=damage.path == "journal/reports.json", tells=tells)
    return _outcome(str(damage), losses, start, folder)


def newer(story: Story, folder: Path, command: str) -> Outcome:
    """It is refused with a reason, and nothing in it is touched."""
    start, device = time.monotonic(), story.copy(folder)
    (device.state / "format").write_text(f"{FORMAT + 1}\n")
    before = _content(device)
    code, said = Agent(device.folder, command, "--config", str(device.config)).wait(20)
    losses = [] if code == 1 and "a newer version has written it" in said else [f"it ended with {code}: {said[-600:]}"]
    if _content(device) != before:
        losses.append("it has touched the store")
    return _outcome(command, losses, start, folder)


NAMES_IT_S = 60.0
"""What a busy machine may take to come to a damaged file."""


def _asks_for(story: Story, device: Device, path: str) -> list[str]:
    """Without it the device serves on and refuses what is new, or does not start; either way it names the file."""
    agent = Agent(device.folder, "run", "--config", str(device.config))
    named = path.rpartition("/")[2].partition(".")[0]
    end = time.monotonic() + (4 if path == "agent.toml" else NAMES_IT_S)
    while agent.ended() is None and named not in agent.said() and time.monotonic() < end:
        time.sleep(0.05)
    losses = serves(story, agent) if agent.ended() is None else []
    agent.stop()
    said = agent.said()
    harmless = path == "agent.toml" and agent.ended() == 0  # a bit of a comment
    if agent.ended() not in (0, 1, 64) or (named not in said and not harmless):
        losses.append(f"it ended with {agent.ended()} and does not name {path}: {said[-600:]}")
    return losses + no_defect(said) + is_whole(story, device)


def _content(device: Device) -> dict[Path, tuple[int, bytes]]:
    paths = [path for path in device.state.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def _cache(device: Device) -> list[str]:
    return sorted(str(path.relative_to(device.state)) for path in (device.state / "git").rglob("*") if path.is_file())


def _turned(content: bytes) -> bytes:
    return bytes([content[0] ^ 4]) + content[1:] if content else b"?"


def _outcome(point: str, losses: list[str], start: float, folder: Path) -> Outcome:
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=point, losses=tuple(losses), seconds=time.monotonic() - start)
