"""Models on one device do not answer for one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from fakes.agent_world import FakeService, World
from fakes.publication import make_manifest, make_ring, rolling, steady
from ringtide_agent.ports import ServedModel, UnloadableError

ONE, TWO, OTHER = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("2.0.0", model="other")


@dataclass
class Choosy(FakeService):
    """Serves every model but the broken ones."""

    broken: tuple[str, ...] = ("other",)

    def shape(self, served: Sequence[ServedModel]) -> None:
        super().shape([item for item in served if item.model not in self.broken])
        errors = {
            item.model: f"{item.active.manifest.release}: damaged" for item in served if item.model in self.broken
        }
        if errors:
            raise UnloadableError(errors)


def with_broken(*models: str) -> World:
    world = World()
    world.publish(steady(ONE), steady(OTHER, model="other"), manifests=[ONE, OTHER])
    world.turns(4)
    assert (world.runs(), world.runs("other")) == ("1.0.0", "2.0.0")
    object.__setattr__(world.agent._ports, "service", Choosy(broken=models))
    world.agent._shaped = None
    world.publish(rolling(ONE, TWO, make_ring()), steady(OTHER, model="other"), manifests=[ONE, TWO, OTHER])
    world.turns(2)
    return world


def test_a_broken_model_does_not_get_anothers_release_rolled_back() -> None:
    world = with_broken("other")
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")
    assert world.agent._models.records["digits"].failures == ()
    assert world.conditions() == {"not-serving"}
    assert "other 2.0.0: damaged" in world.agent._shape_trouble


@pytest.mark.parametrize("broken", [("digits",), ("digits", "other")], ids=["alone", "beside-another"])
def test_a_release_that_does_not_load_answers_for_itself_alone(broken: tuple[str, ...]) -> None:
    world = with_broken(*broken)
    assert (world.runs(), world.state()) == ("1.0.0", "Reverted")
    failures = world.agent._models.records["digits"].failures
    assert [(item.step, item.note) for item in failures] == [("load", "digits 1.1.0: damaged")]
