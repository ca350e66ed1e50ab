"""What the judge makes of a fleet, a cohort or a plan that people change while a rollout is under way."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.desired_states import device, selector
from fakes.judged_rollouts import HOUR, NAME, World, confirmed, gate, on_stable, plan, reverted, ring, soaked, started
from ringtide_contract.ids import DeviceId
from ringtide_engine.judge.exposure import reaches
from ringtide_engine.model.desired import Cohort, Device
from ringtide_engine.model.evidence import Subject


def changed(world: World, **changes: Any) -> World:
    return replace(world, state=replace(world.state, **changes))


def with_devices(world: World, devices: Mapping[DeviceId, Device]) -> World:
    return changed(world, devices={**world.state.devices, **devices})


def without(world: World, *names: str) -> World:
    return changed(world, devices={name: each for name, each in world.state.devices.items() if name not in names})


def placed_on(world: World, **labels: str) -> World:
    """Let the placement's cohort select devices by labels."""
    cohorts = {**world.state.cohorts, "all": Cohort(path="cohorts/all.yaml", name="all", selector=selector(**labels))}
    return changed(world, cohorts=cohorts)


def exposed(world: World) -> set[str]:
    progress = world.view.progress
    assert progress is not None
    return {each.device for each in world.subjects() if any(reaches(ring, each) for ring in progress.rings)}


def assigned(world: World) -> int:
    return sum(tally.assigned for tally in world.evidence().tallies if tally.arm == "exposed")


def codes(world: World) -> list[str]:
    return [reason.code for reason in world.verdict().reasons]


def test_another_candidate_in_the_same_rollout_holds_and_exposes_nobody() -> None:
    world = soaked(started())
    rollout = replace(world.state.rollouts[NAME], candidate="1.2.0")
    edited = changed(world, rollouts={NAME: rollout})
    assert edited.view.progress is not None
    assert edited.view.progress.candidate == "1.1.0"
    view, evidence = edited.view, replace(edited.evidence(), candidate="1.2.0")
    from ringtide_engine.judge.documents import judged_files

    verdict, _ = judged_files(view, evidence)
    assert (verdict.kind, verdict.reasons[0].code) == ("hold", "candidate-changed")
    assert "start a new one" in verdict.reasons[0].text
    assert verdict.progress.rings == view.progress.rings


def test_a_cohort_that_narrows_lets_go_of_devices_and_goes_on_with_the_others() -> None:
    world = soaked(started(strata=("region",)))
    narrowed = placed_on(world, region="eu")
    left = exposed(world) - exposed(narrowed)
    assert left
    assert exposed(narrowed) == exposed(world) - left
    assert assigned(narrowed) == len(exposed(narrowed))
    assert narrowed.verdict().kind == "promote"
    assert {name for name in left if "us" in narrowed.state.devices[DeviceId(name)].labels["region"]} == left


def test_a_cohort_that_becomes_empty_holds() -> None:
    world = placed_on(soaked(started()), region="moon")
    assert (world.verdict().kind, codes(world)[0]) == ("hold", "no-devices")


def test_a_cohort_that_widens_brings_devices_in_by_their_buckets_and_waits_for_them() -> None:
    whole = started(strata=())
    narrow = soaked(placed_on(World(state=whole.state, now=whole.now), region="eu").heard(on_stable).judged())
    wide = placed_on(narrow, hardwareClass="edge-s")
    newcomers = {each.device for each in wide.subjects()} - {each.device for each in narrow.subjects()}
    assert newcomers
    progress = narrow.view.progress
    assert progress is not None
    below = {
        each.device
        for each in wide.subjects()
        if each.bucket < progress.rings[0].cuts[each.stratum] and each.device in newcomers
    }
    assert exposed(wide) & newcomers == below
    assert exposed(wide) >= {name for name in exposed(narrow) if name.startswith("edge-s")}


def test_a_device_that_appears_below_the_cut_is_exposed_and_waited_for() -> None:
    world = soaked(started())
    grown = with_devices(world, {each.id: each for each in (device(number) for number in range(60, 120))})
    newcomers = exposed(grown) - exposed(world)
    assert newcomers
    assert exposed(grown) >= exposed(world)
    heard = grown.heard(on_stable, only=newcomers)
    assert (heard.verdict().kind, "quorum" in codes(heard)) == ("hold", True)
    done = heard.later(HOUR).heard(confirmed, only=exposed(grown)).later(HOUR).heard(confirmed, only=exposed(grown))
    assert done.verdict().kind == "promote"


def test_a_device_of_a_new_stratum_waits_for_the_next_ring_by_share() -> None:
    world = soaked(started(strata=("region",)))
    newcomer = device(60, labels={"region": "asia", "site": "asia-1"})
    grown = with_devices(world, {newcomer.id: newcomer})
    assert newcomer.id not in exposed(grown)
    assert grown.verdict().kind == "promote"
    pilot = grown.judged().view.progress
    assert pilot is not None
    assert any("asia" in stratum for stratum in pilot.rings[-1].cuts)


def test_a_device_that_moves_keeps_its_bucket_and_meets_the_cut_of_where_it_is_now() -> None:
    world = started(strata=("region",))
    progress = world.view.progress
    assert progress is not None
    for subject in world.subjects():
        old = world.state.devices[subject.device]
        to = "us" if old.labels["region"] == "eu" else "eu"
        moved = with_devices(world, {old.id: replace(old, labels={**old.labels, "region": to})})
        now = next(each for each in moved.subjects() if each.device == subject.device)
        assert (now.bucket, now.stratum) == (subject.bucket, subject.stratum.replace(old.labels["region"], to))
        assert (now.device in exposed(moved)) == (now.bucket < progress.rings[0].cuts[now.stratum])
        assert exposed(moved) - {now.device} == exposed(world) - {now.device}, "nobody else moves with it"


@pytest.mark.parametrize("how", ["removed", "retired", "held"])
def test_a_device_that_vanishes_is_not_waited_for(how: str) -> None:
    def all_but_one(subject: Subject) -> Any:
        return on_stable(subject) if subject.device == missing else confirmed(subject)

    world = started()
    missing = sorted(exposed(world))[0]
    world = soaked(world, all_but_one)
    assert "quorum" in codes(world), "it is waited for while it is there"
    old = world.state.devices[DeviceId(missing)]
    gone = without(world, missing) if how == "removed" else with_devices(world, {old.id: replace(old, state=how)})
    assert assigned(gone) == assigned(world) - 1
    assert gone.verdict().kind == "promote"


@pytest.mark.parametrize(("how", "kind"), [("held", "rollBack"), ("retired", "hold"), ("removed", "hold")])
def test_the_failure_of_a_device_counts_for_as_long_as_it_is_served(how: str, kind: str) -> None:
    world = started().later(timedelta(minutes=5))
    hurt = sorted(exposed(world))[0]
    world = world.heard(reverted, only=[hurt])
    assert world.verdict().kind == "rollBack"
    old = world.state.devices[DeviceId(hurt)]
    gone = without(world, hurt) if how == "removed" else with_devices(world, {old.id: replace(old, state=how)})
    assert gone.verdict().kind == kind


def test_an_edited_soak_or_gate_holds_for_the_open_ring_at_once() -> None:
    world = soaked(started())
    longer = plan(replace(ring("canary", "1/10"), soak=timedelta(days=1)), ring("pilot", "1/2"), ring("rest", "1"))
    assert codes(changed(world, ring_plans={"standard": longer})) == ["soak"]
    strict = (gate("updateSuccess", "atLeast", "95/100", devices=50),)
    asking = plan(ring("canary", "1/10", gates=strict), ring("pilot", "1/2"), ring("rest", "1"))
    assert codes(changed(world, ring_plans={"standard": asking})) == ["insufficient-evidence"]


def test_a_ring_put_in_after_the_open_ones_opens_next_and_one_before_them_holds() -> None:
    world = soaked(started())
    after = plan(ring("canary", "1/10"), ring("early", "1/5"), ring("pilot", "1/2"), ring("rest", "1"))
    assert changed(world, ring_plans={"standard": after}).verdict().progress.rings[-1].name == "early"
    before = plan(ring("desk", "1/100"), ring("canary", "1/10"), ring("rest", "1"))
    assert codes(changed(world, ring_plans={"standard": before}))[0] == "plan-changed"


def test_the_page_names_tests_that_exist() -> None:
    root = Path(__file__).resolve().parents[3]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs/rollout-changes-midway.md").read_text(encoding="utf-8")))
    defined = {
        name
        for path in (root / "tests/engine").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named - defined == set()
