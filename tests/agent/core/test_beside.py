"""Polls and pushes beside the loop: the device goes on as it was until an answer is there, and nothing is lost."""

import pytest

from fakes.agent_world import Later, World
from fakes.publication import make_manifest, steady
from ringtide_contract.errors import TransientError, TrustError

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")
ALL = [ONE, TWO]


@pytest.fixture
def world() -> World:
    world = World()
    world.publish(steady(ONE), manifests=ALL)
    world.turns(2)
    assert (world.runs(), world.conditions()) == ("1.0.0", set())
    return world


def slow(world: World) -> tuple[Later, Later]:
    """Restart the agent with polls and pushes that end when the test says so."""
    world.polls, world.pushes = polls, pushes = Later(), Later()
    world.start()
    return polls, pushes


def test_while_a_poll_is_under_way_the_device_serves_on_and_begins_no_other(world: World) -> None:
    polls, _ = slow(world)
    world.publish(steady(TWO), manifests=ALL)
    tended = world.service.tended
    world.turns(5, 600)
    assert (polls.begun, world.service.tended - tended, world.runs()) == (1, 5, "1.0.0")
    assert world.service.serves() == {"digits": "1.0.0"}
    assert (world.agent.awaits, world.agent.outcome()) == (True, "converged")
    polls.finish()
    world.turn()
    assert world.runs() == "1.1.0"


def test_the_pause_to_the_next_poll_begins_with_the_answer(world: World) -> None:
    polls, _ = slow(world)
    world.turn()
    world.turn(3000)
    polls.finish()
    world.turn()
    assert polls.begun == 1
    world.turn(30)
    assert polls.begun == 1
    world.turn(60)
    assert polls.begun == 2


def test_a_hint_during_a_poll_is_not_lost(world: World) -> None:
    polls, _ = slow(world)
    world.turn()
    world.agent.hint()
    world.turn(10)
    polls.finish()
    world.turn(1)
    world.turn(1)
    assert polls.begun == 2


@pytest.mark.parametrize(
    ("failure", "condition"),
    [
        (TrustError("TUF-EXPIRED", "old"), "stale"),
        (TrustError("TUF-SIGNATURE", "forged"), "trust-refused"),
        (TransientError("no route"), "source-unreachable"),
    ],
)
def test_what_the_last_poll_found_holds_until_the_next_has_ended(
    world: World, failure: TrustError | TransientError, condition: str
) -> None:
    polls, _ = slow(world)
    world.publish(steady(TWO), manifests=ALL)
    world.trust.failure = failure
    world.turn()
    polls.finish()
    world.turn()
    assert world.conditions() == {condition}
    number = world.agent.ledger.number
    world.turns(3, 4000)
    assert (polls.begun, world.agent.awaits) == (2, True)
    assert (world.conditions(), world.runs()) == ({condition}, "1.0.0")
    assert world.agent.ledger.number == number, "a poll under way is no news"
    world.trust.failure = None
    polls.finish()
    world.turns(2)
    assert (world.runs(), world.conditions()) == ("1.1.0", set())


def test_a_start_reports_nothing_before_its_first_poll_has_ended(world: World) -> None:
    number = world.agent.ledger.number
    polls, _ = slow(world)
    world.source.failure = TransientError("no route")
    world.turns(3)
    assert world.agent.seen is not None
    assert world.agent.ledger.number == number
    polls.finish()
    world.turn()
    assert world.agent.ledger.number == number + 1


def test_reports_made_during_a_push_stay_until_they_are_pushed_themselves(world: World) -> None:
    world.pushes = pushes = Later()
    world.start()
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    first = world.agent.ledger.number
    assert (tuple(world.agent.ledger.outbox), world.agent.awaits) == ((first,), True)
    world.publish(steady(TWO), manifests=ALL)
    world.turns(3)
    made = tuple(world.agent.ledger.outbox)
    assert made[0] == first
    assert len(made) > 1
    assert pushes.begun == 1
    pushes.finish()
    world.turn()
    assert tuple(world.agent.ledger.outbox) == made[1:]
    assert pushes.begun == 2
    pushes.finish()
    world.turn()
    assert (tuple(world.agent.ledger.outbox), world.agent.awaits) == ((), False)
    assert tuple(world.sink.taken) == tuple(range(1, world.agent.ledger.number + 1))


def test_a_push_that_fails_is_tried_again_after_a_pause(world: World) -> None:
    world.sink.failure = TransientError("no route")
    world.pushes = pushes = Later()
    world.start()
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    pushes.finish()
    world.turn(1)
    assert (len(world.agent.ledger.outbox), pushes.begun, world.agent.awaits) == (1, 1, False)
    world.sink.failure = None
    world.turn(60)
    assert pushes.begun == 2
    pushes.finish()
    world.turn()
    assert not world.agent.ledger.outbox
