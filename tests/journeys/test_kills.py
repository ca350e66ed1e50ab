"""Agents that are killed again and again during a rollout: whole releases everywhere, and the rollout converges."""

import io
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Manifest
from ringtide_engine.demo.agents import AgentProcess, Places
from ringtide_engine.demo.story import GOOD, Story
from ringtide_engine.demo.voice import Voice

pytestmark = pytest.mark.journey

KILLS = 20
SEED = 20261123


class Killer:
    """Kills random agents, `KILLS` times in all, and starts each again at once; looks at the store in between."""

    def __init__(self, places: Places) -> None:
        self.random = random.Random(SEED)
        self.places = places
        self.killed: list[str] = []

    def __call__(self, agents: Sequence[AgentProcess]) -> None:
        for agent in self.random.sample(list(agents), min(3, len(agents), KILLS - len(self.killed))):
            agent.kill()
            self.killed.append(agent.facts.id)
            assert_whole(self.places.device(agent.facts.id))
            agent.start()


def assert_whole(state: Path) -> None:
    """The slot that a model runs from holds a manifest, and every artifact of it with the right bytes."""
    for model in (state / "models").iterdir():
        active = model / "active"
        if not active.exists():
            continue
        manifest = Manifest.decode((model / active.read_text().strip() / "manifest.json").read_bytes())
        for artifact in manifest.artifacts:
            blob = state / "blobs" / artifact.sha256[:2] / artifact.sha256
            assert sha256(blob.read_bytes()) == artifact.sha256


def test_twenty_kills_leave_every_device_on_a_whole_release_and_the_rollout_converges(tmp_path: Path) -> None:
    places = Places(folder=tmp_path / "demo")
    places.folder.mkdir()
    killer = Killer(places)
    said = io.StringIO()
    print(f"seed {SEED}, {KILLS} kills")
    outcome = Story(places, Voice(Console(file=said, width=160)), killer).tell()

    assert len(killer.killed) == KILLS, said.getvalue()
    assert outcome.is_as_told, said.getvalue()
    assert {device.release for device in outcome.devices} == {GOOD}
    for device in outcome.devices:
        assert_whole(places.device(device.id))
