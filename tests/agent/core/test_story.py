"""Whole stories of one device over fake ports and real publications."""

from fakes.agent_world import World
from fakes.publication import make_manifest, steady

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")


def settle(world: World, *manifests: object) -> None:
    world.publish(steady(manifests[-1]), manifests=manifests)  # type: ignore[arg-type]
    world.turns(3)


def test_a_first_release_is_installed_watched_and_confirmed() -> None:
    world = World()
    world.publish(steady(ONE), manifests=[ONE])
    world.turn()
    assert (world.state(), world.runs()) == ("Probation", "1.0.0")
    assert world.agent.outcome() == "not-converged"
    world.turn()
    assert world.state() == "Idle"
    assert world.agent.outcome() == "converged"
    assert world.service.serves() == {"digits": "1.0.0"}


def test_an_update_keeps_the_stable_release_loaded_until_it_is_confirmed() -> None:
    world = World()
    settle(world, ONE)
    world.publish(steady(TWO), manifests=[TWO])
    world.turn()
    served = world.service.shapes[-1][0]
    assert served.active.manifest.release == "1.1.0"
    assert served.stable is not None
    assert served.stable.manifest.release == "1.0.0"
    world.turn()
    assert world.service.shapes[-1][0].stable is None
    report = world.sink.reports()[-1]
    assert report.models["digits"].phase == "confirmed"
    assert report.models["digits"].active is not None
    assert report.models["digits"].active.release == "1.1.0"
    assert report.generation == 2
