"""What a device refuses, waits for or goes back from; every refusal leaves the disk as it was."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.agent_world import World
from fakes.publication import START, ban, make_manifest, make_ring, rolling, steady
from ringtide_agent.limits import FETCH_TRIES, PROBATION_RESTARTS
from ringtide_contract import keys
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.membership import EVERYBODY, bucket, salt
from ringtide_contract.windows import Window

ONE, TWO, THREE = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("1.2.0")
ALL = [ONE, TWO, THREE]
TERMS = Probation(
    seconds=60, min_requests=100, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=950_000
)
WATCHED = make_manifest("1.1.0", probation=TERMS)
NIGHT = Window(days=frozenset({"mon"}), start="22:00", end="23:00", zone="UTC")


def digest(manifest: Manifest) -> Digest:
    return sha256(manifest.encode())


@pytest.fixture
def world() -> World:
    """A device that runs 1.0.0, confirmed, by generation 1."""
    world = World()
    world.publish(steady(ONE), manifests=ALL)
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
    return world


def on_probation(world: World, manifest: Manifest = WATCHED) -> None:
    world.publish(steady(manifest), manifests=[manifest])
    world.turn()
    assert (world.runs(), world.state()) == ("1.1.0", "Probation")


def phase(world: World) -> str:
    return world.sink.reports()[-1].models["digits"].phase


# Trust: nothing of a refused publication is used, and nothing on the disk changes.


def downgrade(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, generation=1, note="old")


def equivocate(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, generation=2, note="the other history")


def foreign_key(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, key=keys.generate())


def other_epoch(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, epoch=2)


def forged_manifest(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    path = next(path for path in world.source.files if digest(TWO) in path)
    world.source.files = {**world.source.files, path: THREE.encode()}


def without_this_device(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.source.files = {
        path: b'{"apiVersion":"ringtide/v1","devices":{},"kind":"IndexShard"}' if path.startswith("index/") else content
        for path, content in world.source.files.items()
    }


@pytest.mark.parametrize(
    ("attack", "rule"),
    [
        (downgrade, "ACCEPT-05"),
        (equivocate, "ACCEPT-06"),
        (foreign_key, "BUNDLE-KEY"),
        (other_epoch, "ACCEPT-04"),
        (forged_manifest, "ACCEPT-12"),
        (without_this_device, "TREE-PROOF"),
    ],
)
def test_a_refused_publication_changes_nothing(world: World, attack: Callable[[World], None], rule: str) -> None:
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    before = world.frozen()
    attack(world)
    world.turn()
    assert world.agent.outcome() == "refused"
    assert world.frozen() == before
    assert world.service.serves() == {"digits": "1.0.0"}
    report = world.sink.reports()[-1]
    assert [item.type for item in report.conditions] == ["trust-refused"]
    assert rule in report.conditions[0].note
    assert report.generation == 2


def test_a_refusal_is_forgotten_when_an_honest_publication_comes(world: World) -> None:
    foreign_key(world)
    world.turn()
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    assert (world.agent.outcome(), world.runs()) == ("converged", "1.1.0")


# Staleness: expired, unreachable, bad clock.


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


# Waiting: held, start in the ring, windows.


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


def test_a_device_starts_by_its_bucket_within_the_spread(world: World) -> None:
    place = bucket(salt("harbour", "spring", "1.1.0"), "crane-07")
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


# Not taken: other hardware, quarantine, what failed before.


def test_a_manifest_for_other_hardware_is_refused(world: World) -> None:
    other = make_manifest("1.1.0", hardware_class="raspberry-pi")
    world.publish(steady(other), manifests=[other])
    world.turn()
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Refused", "refused")
    assert world.artifacts.fetched[2:] == []


def test_a_quarantined_release_is_refused_before_a_byte_is_fetched(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, quarantine=[ban(TWO)])
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Refused")
    assert world.artifacts.fetched[2:] == []
    assert "it saw eights" in world.reason()


def test_quarantined_never_means_naked(world: World) -> None:
    world.publish(steady(ONE), manifests=ALL, quarantine=[ban(ONE)])
    world.turns(2)
    assert (world.runs(), world.service.serves()) == ("1.0.0", {"digits": "1.0.0"})
    assert world.conditions() == {"quarantined"}


def test_a_quarantined_active_release_gives_way_to_the_one_that_is_asked(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, quarantine=[ban(ONE)])
    world.turn()
    assert world.service.shapes[-1][0].stable is None, "a banned release is not kept to answer"
    world.turn()
    assert (world.runs(), world.conditions()) == ("1.1.0", set())


def test_nothing_reverts_to_a_quarantined_release(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL, quarantine=[ban(ONE)])
    world.turn()
    world.service.crashed[digest(TWO)] = 1
    world.turn(5)
    assert (world.runs(), world.state()) == ("1.1.0", "Refused")
    assert "no release is left" in world.reason()
    world.publish(steady(THREE), manifests=ALL, quarantine=[ban(ONE)])
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.2.0", "Idle")


def test_a_release_that_is_banned_on_probation_gives_way_to_the_stable_one(world: World) -> None:
    on_probation(world)
    world.publish(steady(WATCHED), manifests=[WATCHED], quarantine=[ban(WATCHED)])
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Refused")
    assert world.service.serves() == {"digits": "1.0.0"}


def test_a_failed_probe_is_remembered_and_only_a_higher_attempt_tries_again(world: World) -> None:
    world.prober.failures["1.1.0#0"] = "golden"
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Refused", "refused")
    failures = world.sink.reports()[-1].models["digits"].failures
    assert [(item.manifest, item.step) for item in failures] == [(digest(TWO), "golden")]
    probed = len(world.prober.probed)
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    world.start()
    world.turns(2)
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert len(world.prober.probed) == probed
    again = make_manifest("1.1.0", attempt=1)
    world.publish(steady(again), manifests=[again])
    world.turns(2)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


def test_content_that_is_not_genuine_is_refused_until_the_next_generation(world: World) -> None:
    world.artifacts.failure = TrustError("BLOB-DIGEST", "something else")
    world.publish(steady(TWO), manifests=ALL)
    world.turns(3)
    assert (world.runs(), world.state()) == ("1.0.0", "Refused")
    world.artifacts.failure = None
    world.turns(3)
    assert world.runs() == "1.0.0"
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    assert world.runs() == "1.1.0"


# The world does not answer: bounded tries, never remembered.


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


# Probation.


@pytest.mark.parametrize(
    ("figures", "step"),
    [
        ({"requests": 50, "failures": 2}, "probation"),
        ({"requests": 50, "over_budget": 9}, "probation"),
        ({"requests": 60, "compared": 40, "agreed": 30}, "probation"),
    ],
)
@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_a_broken_limit_reverts_at_once_offline_too(
    world: World, figures: dict[str, int], step: str, offline: bool
) -> None:
    on_probation(world)
    if offline:
        world.source.failure = TransientError("no route")
        world.sink.failure = TransientError("no route")
    world.service.figures[digest(WATCHED)] = figures
    world.turn(5)
    assert (world.runs(), world.state()) == ("1.0.0", "Reverted")
    assert world.service.serves() == {"digits": "1.0.0"}
    assert world.agent._models.records["digits"].failures[0].step == step
    world.turns(3)
    assert world.runs() == "1.0.0", "what failed is not tried again"


def test_one_failure_among_three_requests_is_no_verdict(world: World) -> None:
    on_probation(world, make_manifest("1.1.0", probation=replace(TERMS, max_failure_ppm=60_000)))
    world.service.figures[digest(make_manifest("1.1.0", probation=replace(TERMS, max_failure_ppm=60_000)))] = {
        "requests": 3,
        "failures": 1,
    }
    world.turn(5)
    assert world.state() == "Probation"


def test_no_evidence_is_never_a_pass(world: World) -> None:
    on_probation(world)
    world.service.figures[digest(WATCHED)] = {"requests": 99}
    world.turns(4, 86_400)
    assert (world.state(), phase(world)) == ("Probation", "probation")
    assert "overdue" in world.reason()
    world.service.figures[digest(WATCHED)] = {"requests": 100}
    world.turn()
    assert world.state() == "Idle"


def test_time_is_part_of_the_evidence(world: World) -> None:
    on_probation(world)
    world.service.figures[digest(WATCHED)] = {"requests": 5000, "compared": 500, "agreed": 500}
    world.turn(30)
    assert world.state() == "Probation"
    world.turn(31)
    assert world.state() == "Idle"


def test_what_a_manifest_did_before_its_probation_does_not_count(world: World) -> None:
    world.service.figures[digest(WATCHED)] = {"requests": 1000, "failures": 900}
    on_probation(world)
    world.turn(5)
    assert world.state() == "Probation"


def test_a_release_that_takes_the_agent_down_again_and_again_is_reverted(world: World) -> None:
    on_probation(world)
    for _ in range(PROBATION_RESTARTS + 1):
        world.start()
    world.turn(1)
    assert (world.runs(), world.state()) == ("1.0.0", "Reverted")
    assert world.agent._models.records["digits"].failures[0].step == "crash"


def test_a_superseded_probation_goes_over_the_stable_release_to_the_next(world: World) -> None:
    on_probation(world)
    world.publish(steady(THREE), manifests=ALL)
    world.turn()
    served = world.service.shapes[-1][0]
    assert served.active.manifest.release == "1.2.0"
    assert served.stable is not None
    assert served.stable.manifest.release == "1.0.0", "never an unproven release to fall back to"


def test_a_roll_back_during_probation_is_one_switch_without_a_fetch_or_a_probe(world: World) -> None:
    on_probation(world)
    fetched, probed = len(world.artifacts.fetched), len(world.prober.probed)
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    assert (world.runs(), world.state()) == ("1.0.0", "Idle")
    assert (len(world.artifacts.fetched), len(world.prober.probed)) == (fetched, probed)


def test_going_back_to_a_release_in_the_other_slot_fetches_nothing(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    fetched = len(world.artifacts.fetched)
    world.publish(steady(ONE), manifests=ALL)
    world.turns(2)
    assert (world.runs(), world.state(), len(world.artifacts.fetched)) == ("1.0.0", "Idle", fetched)


# Removal.


def test_a_model_that_is_not_to_be_installed_is_removed(world: World) -> None:
    world.publish(steady(None), manifests=[])
    world.turn()
    assert (world.runs(), world.service.shapes[-1], phase(world)) == (None, (), "absent")
    assert world.store.blobs == {}


def test_a_model_that_the_publication_forgot_stays(world: World) -> None:
    other = make_manifest("3.0.0", model="faces")
    world.publish(steady(other, model="faces"), manifests=[other])
    world.turns(2)
    assert world.service.serves() == {"digits": "1.0.0", "faces": "3.0.0"}


def test_a_first_install_that_fails_leaves_the_model_absent_as_before() -> None:
    world = World()
    world.publish(steady(ONE), manifests=ALL)
    world.turn()
    world.service.crashed[digest(ONE)] = 1
    world.turn(5)
    assert (world.runs(), world.state(), world.service.shapes[-1]) == (None, "Reverted", ())


# Damage on the disk.


def test_a_damaged_active_slot_gives_way_to_the_other_and_is_fetched_anew(world: World) -> None:
    world.publish(steady(TWO), manifests=ALL)
    world.turns(2)
    del world.store.blobs[TWO.artifact("model.onnx").sha256]
    world.source.failure = world.artifacts.failure = TransientError("no route")
    world.start()
    world.turn(1)
    assert world.service.serves() == {"digits": "1.0.0"}
    world.source.failure = world.artifacts.failure = None
    world.turns(3, 301)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


def test_a_lost_note_of_the_active_slot_is_found_again(world: World) -> None:
    world.store.active.clear()
    world.source.failure = TransientError("no route")
    world.start()
    world.turn(1)
    assert world.service.serves() == {"digits": "1.0.0"}


def test_a_lost_journal_costs_a_probation_and_nothing_else(world: World) -> None:
    world.store.journal.clear()
    world.start()
    world.turn(1)
    assert (world.runs(), world.state()) == ("1.0.0", "Probation")
    world.turn()
    assert (world.runs(), world.state(), world.agent.outcome()) == ("1.0.0", "Idle", "converged")


@pytest.mark.parametrize("name", ["orders", "model-digits", "reports"])
def test_a_damaged_journal_entry_does_not_stop_the_device(world: World, name: str) -> None:
    world.store.journal[name] = b'{"is": "half'
    world.start()
    world.sink.taken.clear()
    world.turns(2)
    assert (world.runs(), world.agent.outcome()) == ("1.0.0", "converged")
