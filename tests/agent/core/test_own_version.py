"""The agent's own release: chosen, started by the launcher, watched, confirmed, reverted; never together with a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from fakes.agent_world import World
from fakes.publication import make_manifest, steady
from ringtide_agent.limits import REACH_S, RETRY_AFTER_S, VERSION_TRIALS
from ringtide_agent.ports import ProbeFailure, ProbeResult, ServedRelease
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import RUNTIME_MODEL, Manifest, Probation

PACKAGE = "0.1.0"


@dataclass
class MemoryVersions:
    """The `Runtimes` of a device whose launcher is the test."""

    running: Digest | None = None
    package: str = PACKAGE
    chosen: Digest | None = None
    stable: Digest | None = None
    given_up: frozenset[Digest] = frozenset()
    tried: dict[str, int] = field(default_factory=dict)
    failures: Mapping[str, ProbeFailure] = field(default_factory=dict)
    trouble: TransientError | None = None
    stood: int = 0

    def fallen(self) -> frozenset[Digest]:
        return self.given_up

    def trials(self) -> Mapping[str, int]:
        return dict(self.tried)

    def probe(self, release: ServedRelease) -> ProbeResult:
        failure = self.failures.get(release.manifest.release)
        return ProbeResult(failure=failure, note=failure or "reads all", p95_latency_us=None, peak_memory_bytes=None)

    def choose(self, archive: Digest | None, *, blamed: bool = False) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.chosen, self.given_up = archive, frozenset()
        if blamed:
            self.tried.clear()
        if archive is not None and archive != self.stable:
            self.tried[archive] = self.tried.get(archive, 0) + 1

    def stand(self) -> None:
        self.stood += 1

    def confirm(self) -> None:
        self.stable = self.running
        self.tried.clear()


class Launched(World):
    """A device whose agent was started by a launcher."""

    def __init__(self) -> None:
        self.versions = MemoryVersions()
        super().__init__()
        self.restart()

    def restart(self, running: Digest | None = None) -> None:
        """Start the version that was chosen, or another, as the launcher would."""
        self.versions.running = running
        self.start()
        self.agent._ports = replace(self.agent._ports, runtimes=self.versions)
        self.agent._models._ports = self.agent._ports

    def follow(self, turns: int = 12) -> list[Digest | None]:
        """Make turns, and start anew whenever the agent asks for it; return what was started."""
        started: list[Digest | None] = []
        for _ in range(turns):
            self.turn()
            if self.agent.restarting:
                self.restart(self.versions.chosen)
                started.append(self.versions.chosen)
        return started

    def until_restart(self) -> None:
        """Make turns until the agent asks to be started anew."""
        for _ in range(12):
            if self.agent.restarting:
                return
            self.turn()
        raise AssertionError(self.reason(RUNTIME_MODEL))

    def stands(self) -> str:
        """Return the state of the agent's own release."""
        return self.state(RUNTIME_MODEL)


def version(release: str, **more: int) -> Manifest:
    terms = Probation(seconds=400, min_requests=0, max_failure_ppm=10_000, max_over_budget_ppm=0, min_agreement_ppm=0)
    return make_manifest(release, model=RUNTIME_MODEL, probation=terms, **more)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Launched:
    world, one = Launched(), make_manifest("1.0.0")
    world.publish(steady(one), steady(None, model=RUNTIME_MODEL), manifests=[one])
    world.turns(3)
    assert (world.runs(), world.state(), world.stands()) == ("1.0.0", "Idle", "Idle")
    return world


def ask(world: Launched, manifest: Manifest | None, model: str = "1.0.0", **options: object) -> None:
    one = make_manifest(model)
    manifests = [one] if manifest is None else [one, manifest]
    world.publish(steady(one), steady(manifest, model=RUNTIME_MODEL), manifests=manifests, **options)


def test_a_version_is_started_watched_and_confirmed(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    assert world.follow() == [two.archive]
    assert world.stands() == "Idle"
    assert (world.versions.stable, world.versions.chosen) == (two.archive, two.archive)
    part = world.sink.reports()[-1].models[RUNTIME_MODEL]
    assert part.active is not None
    assert (part.phase, part.active.manifest) == ("confirmed", sha256(two.encode()))
    assert world.follow() == []


def test_a_version_that_never_gets_through_a_turn_is_remembered_and_never_tried_again(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.until_restart()
    world.versions.given_up = frozenset({two.archive or Digest("")})
    world.restart(None)
    assert world.follow() == []
    assert (world.stands(), world.versions.chosen) == ("Reverted", None)
    failures = world.sink.reports()[-1].models[RUNTIME_MODEL].failures
    assert [(item.manifest, item.step) for item in failures] == [(sha256(two.encode()), "crash")]
    ask(world, version("0.2.0", attempt=1))
    assert world.follow() == [two.archive]


def test_a_confirmed_version_that_rots_on_the_disk_leaves_the_package_running(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.follow()
    world.versions.given_up = frozenset({two.archive or Digest("")})
    world.restart(None)
    assert world.follow() == []
    assert (world.stands(), world.runs()) == ("Refused", "1.0.0")
    ask(world, version("0.2.0", attempt=1))
    assert world.follow() == [two.archive]
    assert world.stands() == "Idle"


def test_a_version_that_the_fleet_cannot_reach_gives_way_unblamed_and_is_tried_three_times(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    for _ in range(VERSION_TRIALS):
        world.until_restart()
        world.source.failure = TransientError("no route")
        world.restart(world.versions.chosen)
        assert world.versions.running == two.archive
        assert world.follow(20) == [None], "there is no network, so nobody is to blame"
        assert (world.stands(), world.agent._models.records[RUNTIME_MODEL].failures) == ("Deferred", ())
        world.clock.pass_s(RETRY_AFTER_S)
        assert world.follow(3) == [], "without a poll of its own the old version tries no other"
        world.source.failure = None
        world.clock.pass_s(RETRY_AFTER_S)
    assert world.follow(6) == []
    failure = world.agent._models.records[RUNTIME_MODEL].failures[-1]
    assert (failure.step, world.versions.running) == ("probation", None)


def test_requests_of_every_model_count_for_the_version(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.follow(3)
    assert world.stands() == "Probation"
    model = sha256(make_manifest("1.0.0").encode())
    world.service.figures = {model: {"requests": 100, "failures": 30}}
    assert world.follow(4) == [None]
    assert world.stands() == "Reverted"
    report = world.sink.reports()[-1].models[RUNTIME_MODEL]
    assert [item.step for item in report.failures] == ["probation"]


def test_a_version_that_serves_nothing_is_left(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.follow(2)
    world.service.failure = TransientError("cannot import onnxruntime")
    world.restart(two.archive)
    world.clock.pass_s(REACH_S)
    world.service.failure = TransientError("cannot import onnxruntime")
    started = world.follow(20)
    assert started[:1] == [None]
    assert [item.step for item in world.agent._models.records[RUNTIME_MODEL].failures] == ["load"]


def test_a_failed_self_test_changes_nothing(world: Launched) -> None:
    world.versions.failures = {"0.2.0": "golden"}
    ask(world, version("0.2.0"))
    assert world.follow() == []
    assert (world.stands(), world.versions.chosen, world.versions.tried) == ("Refused", None, {})


def test_a_package_that_is_newer_than_what_the_fleet_asks_for_wins(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    assert world.follow() == [two.archive]
    world.versions.package, world.versions.chosen, world.versions.stable = "0.3.0", None, None
    world.restart(None)
    assert world.follow() == []
    assert world.stands() == "Refused"
    assert world.reason(RUNTIME_MODEL) == "the package has version 0.3.0; 0.2.0 is older"
    assert world.sink.reports()[-1].models[RUNTIME_MODEL].failures == ()


def test_a_package_that_is_older_starts_first_and_the_fleet_s_version_proves_itself_again(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.follow()
    world.versions.package, world.versions.chosen, world.versions.stable = "0.1.5", None, None
    world.restart(None)
    assert world.follow() == [two.archive]
    assert (world.stands(), world.versions.stable) == ("Idle", two.archive)


def test_a_revert_leads_to_the_version_confirmed_before(world: Launched) -> None:
    two, three = version("0.2.0"), version("0.3.0")
    ask(world, two)
    world.follow()
    ask(world, three)
    assert world.follow(3) == [three.archive]
    world.service.figures = {sha256(make_manifest("1.0.0").encode()): {"requests": 100, "failures": 100}}
    assert world.follow(4) == [two.archive]
    world.turns(2)
    assert world.stands() == "Reverted"
    assert world.sink.reports()[-1].models[RUNTIME_MODEL].active is not None


def test_a_version_no_longer_asked_for_gives_way_to_the_package(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.follow()
    ask(world, None)
    assert world.follow() == [None]
    assert (world.stands(), world.store.slot(RUNTIME_MODEL, "a")) == ("Idle", None)


def test_a_model_waits_for_the_agent_and_the_agent_for_a_model(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two, model="1.1.0")
    world.turn()
    assert {world.state(), world.stands()} >= {"Deferred"}
    assert "Deferred" in (world.state(), world.stands())
    at_once = []
    for _ in range(20):
        world.turn()
        working = [state for state in (world.state(), world.stands()) if state not in ("Idle", "Deferred")]
        at_once.append(len(working))
        if world.agent.restarting:
            world.restart(world.versions.chosen)
    assert max(at_once) == 1
    assert (world.runs(), world.state(), world.stands()) == ("1.1.0", "Idle", "Idle")
    assert world.versions.stable == two.archive


def test_an_agent_that_no_launcher_started_keeps_its_version() -> None:
    world, two = World(), version("0.2.0")
    world.publish(steady(two, model=RUNTIME_MODEL), manifests=[two])
    world.turns(3)
    assert world.state(RUNTIME_MODEL) == "Refused"
    assert "launcher" in world.reason(RUNTIME_MODEL)
    assert not world.agent.restarting


def test_a_disk_that_takes_no_choice_changes_nothing_and_the_act_is_tried_again(world: Launched) -> None:
    two = version("0.2.0")
    ask(world, two)
    world.versions.trouble = TransientError("no space left")
    world.turn()
    assert (world.stands(), world.agent.restarting) == ("Activating", False)
    world.versions.trouble = None
    assert world.follow(2) == [two.archive]


def test_a_quarantined_version_is_left_for_the_package(world: Launched) -> None:
    from fakes.publication import ban

    two = version("0.2.0")
    ask(world, two)
    world.follow(2)
    assert world.stands() == "Probation"
    ask(world, None, quarantine=[ban(two)])
    assert world.follow(4) == [None]
    assert world.stands() == "Idle"


def test_every_version_stands_once_it_has_made_a_turn(world: Launched) -> None:
    assert world.versions.stood == 1
    world.turns(3)
    assert world.versions.stood == 1
