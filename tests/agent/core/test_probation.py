"""What a device goes back from, what it removes, and what it makes of a damaged disk."""

from dataclasses import replace

import pytest

from fakes.agent_world import World
from fakes.publication import make_manifest, steady
from ringtide_agent.limits import PROBATION_RESTARTS
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Manifest, Probation

ONE, TWO, THREE = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("1.2.0")
ALL = [ONE, TWO, THREE]
TERMS = Probation(
    seconds=60, min_requests=100, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=950_000
)
WATCHED = make_manifest("1.1.0", probation=TERMS)


def digest(manifest: Manifest) -> Digest:
    return sha256(manifest.encode())


def on_probation(world: World, manifest: Manifest = WATCHED) -> None:
    world.publish(steady(manifest), manifests=[manifest])
    world.turn()
    assert (world.runs(), world.state()) == ("1.1.0", "Probation")


def phase(world: World) -> str:
    return world.sink.reports()[-1].models["digits"].phase


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


def test_a_release_whose_worker_does_not_answer_is_not_confirmed_by_the_figures_of_before(world: World) -> None:
    on_probation(world)
    world.service.figures[digest(WATCHED)] = {"requests": 500}
    world.service.silent = True
    world.turns(3)
    assert (world.runs(), world.state()) == ("1.1.0", "Probation")
    world.service.silent = False
    world.turn()
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


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
