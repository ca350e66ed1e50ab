"""What a device waits for, and that it goes on serving meanwhile."""

from datetime import timedelta

from fakes.agent_world import World
from fakes.publication import START, make_manifest, make_ring, rolling, steady
from ringtide_agent.limits import FETCH_TRIES
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.membership import EVERYBODY, salt, turn
from ringtide_contract.windows import Window

ONE, TWO, THREE = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("1.2.0")
ALL = [ONE, TWO, THREE]
NIGHT = Window(days=frozenset({"mon"}), start="22:00", end="23:00", zone="UTC")


def phase(world: World) -> str:
    return world.sink.reports()[-1].models["digits"].phase


def test_expired_means_keep_serving_and_install_nothing_new(world: World) -> None:
    world.trust.failure = TrustError("TUF-EXPIRED", "the timestamp has expired")
    before = world.frozen()
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert world.frozen() == before
    assert (world.conditions(), world.service.serves()) == ({"stale"}, {"digits": "1.0.0"})
    world.trust.failure = None
    world.turns(2)
    assert (world.conditions(), world.runs()) == (set(), "1.1.0")


def test_orders_that_expire_before_they_are_carried_out_are_not(world: World) -> None:
    opens = START + timedelta(days=2)
    world.publish(rolling(ONE, TWO, make_ring(not_before=opens)), manifests=ALL, not_after=START + timedelta(days=1))
    world.turn()
    world.source.failure = TransientError("no route")
    world.turn(3 * 86400)
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    assert world.conditions() == {"stale", "source-unreachable"}


def test_accepted_orders_are_carried_out_without_the_source_and_over_a_restart(world: World) -> None:
    world.publish(rolling(ONE, TWO, make_ring(not_before=START + timedelta(hours=2))), manifests=ALL)
    world.turn()
    world.source.failure = TransientError("no route")
    world.start()
    world.turns(3, 3600)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")
    assert "source-unreachable" in world.conditions()


def test_a_clock_before_the_newest_signature_does_not_poll_and_installs_nothing(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    opened, before = world.source.opened, world.frozen()
    world.clock.wall = START - timedelta(days=1)
    world.turns(3)
    assert (world.source.opened, world.frozen()) == (opened, before)
    assert world.conditions() == {"clock-behind"}
    world.clock.wall = START + timedelta(hours=1)
    world.turns(3)
    assert (world.runs(), world.conditions()) == ("1.1.0", set())


def test_a_dead_source_is_polled_ever_more_rarely(world: World) -> None:
    world.source.failure = TransientError("no route")
    opened = world.source.opened
    world.turns(600, 10)
    assert 3 <= world.source.opened - opened <= 8


def test_a_hint_polls_at_the_next_turn(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.turn(6)
    assert world.runs() == "1.0.0"
    world.agent.hint()
    world.turn(6)
    assert world.runs() == "1.1.0"


def test_a_held_device_takes_nothing_new(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, state="held")
    world.turn()
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Deferred", "deferred")
    assert world.conditions() == {"held"}
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    assert world.runs() == "1.1.0"


def test_a_held_device_removes_nothing_either(world: World) -> None:
    world.publish(steady(None), manifests=[], state="held")
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")


def test_a_device_starts_by_its_turn_within_the_spread(world: World) -> None:
    place = turn(salt("harbour", "spring", "1.1.0"), "crane-07")
    start = world.clock.now() + timedelta(minutes=10)
    offset = 7200 * place // EVERYBODY
    world.publish(rolling(ONE, TWO, make_ring(not_before=start.replace(microsecond=0), spread_s=7200)), manifests=ALL)
    world.turn(600 + offset - 120)
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    world.turn(121)
    assert world.runs() == "1.1.0"


def test_outside_the_windows_a_device_waits_for_the_next_and_says_until_when(world: World) -> None:
    world.publish(rolling(ONE, TWO, make_ring(windows=[NIGHT])), manifests=ALL)
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    assert "2026-11-02T22:00:00Z" in world.reason()
    writes = dict(world.store.journal)
    world.turns(5)
    assert world.store.journal["model-digits"] == writes["model-digits"], "waiting writes nothing"
    world.clock.wall = START.replace(hour=22, minute=1)
    world.turn()
    assert world.runs() == "1.1.0"


def test_a_fleet_that_rolls_back_does_not_wait_for_a_window(world: World) -> None:
    world.publish(rolling(ONE, TWO, make_ring()), manifests=ALL)
    world.turns(2)
    world.publish(steady(ONE), manifests=ALL)
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")


def test_a_fetch_that_gets_no_answer_is_bounded_then_deferred_and_never_remembered(world: World) -> None:
    world.artifacts.failure = TransientError("disk full")
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert (world.state(), phase(world)) == ("Fetching", "installing")
    world.turns(FETCH_TRIES, 301)
    assert world.state() == "Deferred"
    assert "disk full" in world.reason()
    assert world.agent._models.records["digits"].failures == ()
    world.artifacts.failure = None
    world.turn(60)
    assert world.state() == "Deferred"
    world.turn(3600)
    assert world.runs() == "1.1.0"


def test_a_fetch_takes_its_turns_while_everything_else_goes_on(world: World) -> None:
    world.artifacts.turns = 5
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    polled, tended, written = world.source.opened, world.service.tended, dict(world.store.journal)
    world.turns(4)
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Fetching", "installing")
    assert (world.source.opened, world.service.tended) == (polled + 4, tended + 4)
    assert world.store.journal == written, "waiting writes nothing and is no try"
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


def test_the_newest_desired_state_supersedes_a_fetch_under_way(world: World) -> None:
    world.artifacts.failure = TransientError("slow")
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    world.artifacts.failure = None
    world.publish(steady(THREE), manifests=ALL)
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.2.0", "Idle")
    assert not any("1.1.0" in uri for uri in world.artifacts.fetched)


def test_a_worker_that_does_not_come_up_brings_the_stable_release_back(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.service.failure = TransientError("no answer from the worker")
    world.turns(3)
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    assert "not-serving" in world.conditions()
    world.service.failure = None
    world.turn(301)
    assert (world.service.serves(), world.conditions()) == ({"digits": "1.0.0"}, set())
    assert world.agent._models.records["digits"].failures == ()


def test_a_release_that_does_not_load_is_reverted_and_remembered(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.service.failure = InputError("unknown operator")
    world.turn()
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Reverted", "reverted")
    assert world.agent._models.records["digits"].failures[0].step == "load"


def test_devices_that_waited_for_a_window_do_not_all_begin_when_it_opens(world: World) -> None:
    ring = make_ring(not_before=START.replace(hour=9), windows=[NIGHT], spread_s=6 * 3600)
    place = turn(salt("harbour", "spring", "1.1.0"), "crane-07")
    mine = START.replace(hour=22, minute=0, second=0) + timedelta(seconds=45 * 60 * place // EVERYBODY)
    assert mine > START.replace(hour=22, minute=5), "the sample device has a late turn"
    world.publish(rolling(ONE, TWO, ring), manifests=ALL)
    world.clock.wall = START.replace(hour=22, minute=1)
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    assert mine.strftime("%H:%M:%SZ") in world.reason()
    world.clock.wall = mine
    world.turn(1)
    assert world.runs() == "1.1.0"


def test_a_clock_that_stands_still_keeps_no_device_from_its_release(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    for _ in range(4):
        world.clock.mono += 61
        world.agent.tick(world.clock.wall)
    assert (world.runs(), world.state(), world.agent.outcome()) == ("1.1.0", "Idle", "converged")
