"""Disruption budgets are never exceeded, whatever comes late, is lost or vanishes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.desired_states import desired_state, release
from fakes.judged_rollouts import START, plan, ring
from fakes.reporting_devices import model, report
from ringtide_contract.class_file import assign
from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.report import ModelReport
from ringtide_engine.compile.manifests import Manifests
from ringtide_engine.compile.tree import make_class_files, make_index_rows
from ringtide_engine.judge.budgets import newly_taken, taken
from ringtide_engine.judge.documents import judged_files
from ringtide_engine.judge.tally import SILENCE, tally
from ringtide_engine.model.budgets import DisruptionBudget, groups_of
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Evidence, Observation, Source
from ringtide_engine.model.progress import Progress
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.cases import asked_of, cases_of

ROLLOUTS = ("digits-1.1.0", "lamp-1.1.0")
DEVICES = 12


def fleet(*budgets: DisruptionBudget, unit: str = "device") -> DesiredState:
    """Return two sites of six devices, two models on each, and a rollout of both models."""
    state = desired_state(DEVICES, candidate="1.1.0")
    sites = ("pier", "yard")
    devices = {
        name: replace(each, labels={"site": sites[number % 2], "region": "eu"})
        for number, (name, each) in enumerate(state.devices.items())
    }
    lamp = replace(state.placements["everywhere"], name="lamps", path="placements/lamps.yaml", model="lamp")
    second = replace(state.rollouts[ROLLOUTS[0]], name=ROLLOUTS[1], placement="lamps")
    rings = [
        replace(ring(name, share, gates=()), soak=timedelta(0)) for name, share in (("canary", "1/4"), ("rest", "1"))
    ]
    return replace(
        state,
        fleet=replace(state.fleet, budgets=budgets),
        devices=devices,
        ring_plans={"standard": plan(*rings, control="0", unit=unit)},
        releases={**state.releases, **{("lamp", each): release(each, model="lamp") for each in ("1.0.0", "1.1.0")}},
        placements={**state.placements, "lamps": lamp},
        rollouts={**state.rollouts, ROLLOUTS[1]: second},
    )


@dataclass(slots=True)
class Device:
    """A device that does what it is asked, when it gets to it."""

    models: dict[str, ModelReport]
    number: int = 0
    here: bool = True
    outbox: list[Observation] = field(default_factory=list)


def is_switching(part: ModelReport) -> bool:
    return part.phase == "probation"


class World:
    """A fleet, its judge, and everything between them that can be late or lost."""

    def __init__(self, state: DesiredState) -> None:
        self.state, self.now = state, START
        self.observations: list[Observation] = []
        self.publish()
        self.devices = {
            name: Device(models={each: model("confirmed", manifest) for each, manifest in self.asked(name).items()})
            for name in sorted(state.devices)
        }
        self.names = list(self.devices)
        for name in self.names:
            self.report(name)
            self.deliver(name)

    def publish(self) -> None:
        resolution = resolve(self.state)
        manifests = Manifests(self.state.fleet)
        self.files = make_class_files(self.state, resolution, manifests)
        self.rows = make_index_rows(self.state, resolution, manifests)

    def asked(self, name: DeviceId) -> Mapping[str, Digest]:
        row = self.rows[name]
        found = {each: assign(self.files[row.class_id, each], row, name).manifest for each in ("digits", "lamp")}
        return {each: digest for each, digest in found.items() if digest is not None}

    def judge(self) -> bool:
        """Judge every rollout on one state and commit, as `advance` does; tell whether none was rolled back."""
        self.now += timedelta(minutes=5)
        resolution = resolve(self.state)
        occupied: Mapping[str, int] = taken(
            resolution.devices,
            self.state.fleet.budgets,
            asked_of(self.state, resolution),
            self.observations,
            known=self.now,
            silence=SILENCE * self.state.fleet.max_silence,
        )
        progress: dict[str, Progress] = dict(self.state.progress)
        for case in cases_of(self.state, self.now):
            evidence = Evidence(
                rollout=case.view.rollout.name,
                candidate="1.1.0",
                now=self.now,
                source="0" * 40,
                sources=(Source(branch="collected/main", commit="1" * 40, through=self.now),),
                tool="ringtide test",
                tallies=tally(case.view, case.subjects, self.observations, now=self.now),
                occupied=occupied,
            )
            verdict, _ = judged_files(case.view, evidence)
            begun = newly_taken(case.view, case.view.progress, verdict.progress)
            assert all(occupied.get(group, 0) + count <= case.view.budgets[group] for group, count in begun.items())
            occupied = Counter(occupied) + Counter(begun)
            progress[case.view.rollout.name] = verdict.progress
        self.state = replace(self.state, progress=progress)
        return all(each.phase != "rolledBack" for each in progress.values())

    def poll(self, name: DeviceId) -> None:
        device = self.devices[name]
        for each, asked in self.asked(name).items() if device.here else ():
            part = device.models[each]
            failed = any(failure.manifest == asked for failure in part.failures)
            if part.active is not None and part.active.manifest != asked and part.phase != "probation" and not failed:
                device.models[each] = model("probation", asked)

    def finish(self, name: DeviceId, *, well: bool) -> None:
        device = self.devices[name]
        for each, part in device.models.items() if device.here else ():
            if part.phase == "probation" and part.active is not None:
                tried = part.active.manifest
                row = self.rows[name]
                stable = self.files[row.class_id, each].stable
                device.models[each] = (
                    model("confirmed", tried) if well else model("refused", stable, desired=tried, failed="budget")
                )

    def report(self, name: DeviceId) -> None:
        device = self.devices[name]
        if device.here:
            device.number += 1
            device.outbox.append(
                Observation(ingested_at=self.now, report=report(name, dict(device.models), device.number))
            )

    def deliver(self, name: DeviceId) -> None:
        if self.devices[name].outbox:
            self.observations.append(replace(self.devices[name].outbox.pop(0), ingested_at=self.now))

    def say(self, name: DeviceId) -> None:
        self.report(name)
        while self.devices[name].outbox:
            self.deliver(name)

    def lose(self, name: DeviceId) -> None:
        self.devices[name].outbox[:1] = []

    def away(self, name: DeviceId) -> None:
        self.devices[name].here = not self.devices[name].here

    def unavailable(self) -> Mapping[str, int]:
        """Return how many devices of each group are in the middle of a switch, in truth."""
        counts: Counter[str] = Counter()
        for name, device in self.devices.items():
            if any(is_switching(part) for part in device.models.values()):
                counts.update(groups_of(self.state.devices[name].labels, self.state.fleet.budgets))
        return counts


def budget(label: str, kind: str, amount: int | Fraction) -> DisruptionBudget:
    return DisruptionBudget(label=label, kind=kind, amount=amount)


BUDGETS = st.sampled_from(
    [
        (budget("site", "maxUnavailable", 1),),
        (budget("site", "maxUnavailable", 2),),
        (budget("site", "maxUnavailable", Fraction(1, 3)), budget("region", "maxUnavailable", 3)),
        (budget("site", "minAvailable", Fraction(4, 5)),),
    ]
)
WHO = st.one_of(st.just(2**DEVICES - 1), st.integers(1, 2**DEVICES - 1))
"""Some devices, a bit each."""
ACTS = ("poll", "poll", "well", "well", "ill", "say", "say", "say", "report", "deliver", "lose", "away")
EVENTS = st.lists(
    st.one_of(st.sampled_from(["judge", "publish"]), st.tuples(st.sampled_from(ACTS), WHO)), min_size=20, max_size=120
)


ROUND: list[str | tuple[str, int]] = ["judge", "publish", ("poll", 2**DEVICES - 1), ("say", 2**DEVICES - 1)]


@settings(max_examples=40, deadline=None)
@given(BUDGETS, EVENTS)
@example((budget("site", "maxUnavailable", 1),), ROUND * 4)
def test_a_budget_is_never_exceeded_whatever_the_order_of_events(
    budgets: tuple[DisruptionBudget, ...], events: list[str | tuple[str, int]]
) -> None:
    """Not while reports come late or never, devices come and go, and publications lag behind verdicts."""
    world = World(fleet(*budgets))
    allowed = cases_of(world.state, world.now)[0].view.budgets
    for event in events:
        if event == "judge" and not world.judge():
            return  # a roll back asks everybody at once: going back is not put off
        if event == "publish":
            world.publish()
        if isinstance(event, tuple):
            act, chosen = event
            for number, name in enumerate(world.names):
                if not chosen >> number & 1:
                    continue
                if act in ("well", "ill"):
                    world.finish(name, well=act == "well")
                else:
                    getattr(world, act)(name)
        assert all(count <= allowed[group] for group, count in world.unavailable().items())


def rounds(world: World, number: int) -> list[Mapping[str, int]]:
    """Let everybody who is there obey and report, so many times; return how many were switching each time."""
    seen = []
    for _ in range(number):
        assert world.judge()
        world.publish()
        for name in world.names:
            world.poll(name)
        seen.append(world.unavailable())
        for name in world.names:
            world.finish(name, well=True)
            world.report(name)
            world.deliver(name)
    return seen


def test_two_rollouts_share_a_budget_and_both_come_to_their_end() -> None:
    world = World(fleet(budget("site", "maxUnavailable", 1)))
    seen = rounds(world, 40)
    assert max(max(each.values(), default=0) for each in seen) == 1
    assert {each.phase for each in world.state.progress.values()} == {"completed"}


def test_without_a_budget_a_ring_lets_everybody_begin_at_once() -> None:
    world = World(fleet())
    rounds(world, 5)
    assert all(each.admitted is None for one in world.state.progress.values() for each in one.rings)
    assert {each.phase for each in world.state.progress.values()} == {"completed"}


def test_a_device_that_vanishes_while_it_switches_keeps_its_room_for_ever() -> None:
    world = World(fleet(budget("site", "maxUnavailable", 1)))
    world.judge()
    world.publish()
    for name in world.names:
        world.poll(name)
    gone = [name for name, each in world.devices.items() if any(is_switching(part) for part in each.models.values())]
    assert len(gone) == 2, "one of each site"
    for name in gone:
        world.away(name)
    assert all(each == {"site=pier": 1, "site=yard": 1} for each in rounds(world, 10))
    assert {each.phase for each in world.state.progress.values()} == {"rolling"}


@pytest.mark.parametrize("well", [True, False])
def test_a_device_on_probation_keeps_its_room_however_often_it_reports(well: bool) -> None:
    """It gives the room back when it has confirmed, and also when it has refused the candidate."""
    world = World(fleet(budget("site", "maxUnavailable", 1)))
    for _ in range(5):
        world.judge()
        world.publish()
        for name in world.names:
            world.poll(name)
            world.report(name)
            world.deliver(name)
        assert world.unavailable() == {"site=pier": 1, "site=yard": 1}
    first = {name for name, each in world.devices.items() if any(is_switching(part) for part in each.models.values())}
    for name in world.names:
        world.finish(name, well=well)
        world.report(name)
        world.deliver(name)
    world.judge()
    world.publish()
    for name in world.names:
        world.poll(name)
    second = {name for name, each in world.devices.items() if any(is_switching(part) for part in each.models.values())}
    assert len(first) == 2
    assert len(second) == 2 or not well
    assert not first & second or not well


def test_a_hold_names_the_groups_that_have_no_room() -> None:
    world = World(fleet(budget("site", "maxUnavailable", 1)))
    world.judge()
    world.judge()
    said = [reason for each in world.state.progress.values() for reason in each.last.reasons]
    full = "site=pier (1 of 1 unavailable), site=yard (1 of 1 unavailable)"
    assert f"ring canary: 4 devices wait for room in budgets: {full}" in said


def test_devices_of_one_unit_begin_together_or_not_at_all() -> None:
    world = World(fleet(budget("site", "maxUnavailable", 5), unit="site"))
    assert all(not any(each.values()) for each in rounds(world, 5)), "a site of six does not fit into a budget of five"
    world = World(fleet(budget("site", "maxUnavailable", 6), unit="site"))
    assert max(max(each.values(), default=0) for each in rounds(world, 12)) == 6
