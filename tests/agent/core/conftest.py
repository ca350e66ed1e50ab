"""The device that most stories begin with."""

import pytest

from fakes.agent_world import World
from fakes.publication import make_manifest, steady


@pytest.fixture
def world() -> World:
    """A device that runs 1.0.0, confirmed, by generation 1."""
    world, one = World(), make_manifest("1.0.0")
    world.publish(steady(one), manifests=[one])
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
    return world
