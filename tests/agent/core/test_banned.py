"""A banned release gives way at once to one that was confirmed here."""

from fakes.agent_world import World
from fakes.publication import ban, make_manifest, make_ring, rolling, steady

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")
BOTH = [ONE, TWO]


def on_two(world: World) -> None:
    world.publish(rolling(ONE, TWO, make_ring()), manifests=BOTH)
    world.turns(4)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


def test_a_banned_release_gives_way_although_a_new_trial_of_the_stable_one_would_fail(world: World) -> None:
    on_two(world)
    world.prober.failures["1.0.0#0"] = "budget"
    world.publish(steady(ONE), manifests=BOTH, quarantine=[ban(TWO)])
    world.turn()
    assert (world.runs(), world.state(), world.conditions()) == ("1.0.0", "Idle", set())
    world.start()
    world.turns(3)
    assert (world.runs(), world.agent.outcome()) == ("1.0.0", "converged")


def test_a_budget_result_remembered_of_the_stable_release_does_not_keep_a_banned_one(world: World) -> None:
    on_two(world)
    world.prober.failures["1.0.0#0"] = "budget"
    world.publish(steady(ONE), manifests=BOTH)
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.1.0", "Refused")
    world.start()
    world.publish(steady(ONE), manifests=BOTH, quarantine=[ban(TWO)])
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
