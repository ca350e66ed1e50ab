"""What a device refuses; every refusal leaves the disk as it was."""

from collections.abc import Callable

import pytest

from fakes.agent_world import World
from fakes.publication import ban, make_manifest, steady
from ringtide_contract import keys
from ringtide_contract.errors import TrustError
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


def test_content_that_is_not_genuine_is_fetched_again_within_the_hour(world: World) -> None:
    world.artifacts.failure = TrustError("ARTIFACT-DIGEST", "no source has it")
    world.publish(steady(TWO), manifests=ALL)
    world.turns(3)
    assert (world.runs(), world.state(), phase(world)) == ("1.0.0", "Deferred", "deferred")
    assert "ARTIFACT-DIGEST" in world.reason()
    assert world.agent._models.records["digits"].failures == ()
    world.turn(3600)
    assert (world.runs(), world.state()) == ("1.0.0", "Deferred")
    world.artifacts.failure = None
    world.turn(60)
    assert world.runs() == "1.0.0", "a mirror that lies is not asked on every turn"
    world.turns(2, 3600)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")


def test_a_release_refused_for_good_is_at_rest_and_one_that_waits_is_not(world: World) -> None:
    assert world.agent.at_rest() == {}
    world.artifacts.failure = TrustError("ARTIFACT-DIGEST", "no source has it")
    world.publish(steady(TWO), manifests=ALL)
    world.turn()
    assert (world.state(), world.agent.at_rest()) == ("Deferred", {})
    world.artifacts.failure = None
    world.prober.failures["1.2.0#0"] = "golden"
    world.publish(steady(THREE), manifests=ALL)
    world.turn()
    assert (world.state(), world.agent.at_rest()) == ("Refused", {"digits": world.reason()})
