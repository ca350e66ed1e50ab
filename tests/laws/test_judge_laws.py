"""Laws of the judge, for any fleet, any reports, any order."""

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.judge_strategies import DEVICES, PLANS, SAID, SEEDS, STEPS, behaviour
from fakes.judged_rollouts import HOUR, World, confirmed, fleet, on_stable
from fakes.reporting_devices import STABLE, counters, model
from ringtide_contract.class_file import ClassFile, ClassRollout, assign
from ringtide_contract.ids import sha256
from ringtide_contract.index import IndexRow
from ringtide_engine.judge.documents import judged_files
from ringtide_engine.judge.exposure import ring_of
from ringtide_engine.judge.tally import tally
from ringtide_engine.resolve import resolve

FEW = settings(max_examples=30, deadline=None)


def history(world: World, seed: int, steps: int, said: tuple[str, ...] = SAID) -> World:
    """Let some time pass in which devices report and the judge decides now and then."""
    for step in range(steps):
        world = world.later(HOUR).heard(behaviour(seed + step // 2, said))
        if step % 2:
            world = world.judged()
    return world


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=STEPS)
def test_the_same_reports_in_any_order_give_the_same_bytes(
    devices: int, ring_plan: object, seed: int, steps: int
) -> None:
    world = history(World(state=fleet(devices, ring_plan=ring_plan)).judged(), seed, steps)  # type: ignore[arg-type]
    shuffled = list(world.observations)
    random.Random(seed).shuffle(shuffled)
    doubled = replace(world, observations=(*shuffled, *shuffled[: len(shuffled) // 2]))
    assert judged_files(world.view, world.evidence()) == judged_files(doubled.view, doubled.evidence())


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=STEPS, minutes=st.integers(min_value=1, max_value=90))
def test_what_a_second_collector_took_later_changes_nothing(
    devices: int, ring_plan: object, seed: int, steps: int, minutes: int
) -> None:
    """Each report counts once, from when it was taken first, in whatever order the collectors are read."""
    world = history(World(state=fleet(devices, ring_plan=ring_plan)).judged(), seed, steps).later(2 * HOUR)  # type: ignore[arg-type]
    late = [replace(item, ingested_at=item.ingested_at + timedelta(minutes=minutes)) for item in world.observations]
    some = random.Random(seed).sample(late, k=len(late) // 2)
    for both in ((*world.observations, *some), (*some, *world.observations)):
        assert judged_files(replace(world, observations=both).view, replace(world, observations=both).evidence()) == (
            judged_files(world.view, world.evidence())
        )


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=STEPS)
def test_more_confirmations_never_turn_promote_into_roll_back(
    devices: int, ring_plan: object, seed: int, steps: int
) -> None:
    said = ("confirmed", "confirmed", "confirmed", "stable", "silent", "refused")
    world = history(World(state=fleet(devices, ring_plan=ring_plan)).judged(), seed, steps, said)  # type: ignore[arg-type]
    if world.verdict().kind == "promote":
        silent = {each.device for each in world.subjects()} - {item.report.device for item in world.observations}
        better = world.heard(lambda each: model("confirmed", each.manifest, counters(each.manifest)), only=silent)
        assert better.verdict().kind != "rollBack"


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=st.integers(min_value=1, max_value=10))
def test_cuts_only_grow_and_rings_only_open(devices: int, ring_plan: object, seed: int, steps: int) -> None:
    world = World(state=fleet(devices, ring_plan=ring_plan)).judged()  # type: ignore[arg-type]
    for step in range(steps):
        before = world.view.progress
        exposed = {each.device for each in world.subjects() if before and ring_of(before, each)}
        world = world.later(HOUR).heard(behaviour(seed, ("confirmed", "confirmed", "probation"))).judged()
        after = world.view.progress
        assert before is not None
        assert after is not None
        assert after.rings[: len(before.rings)] == before.rings
        assert exposed <= {each.device for each in world.subjects() if ring_of(after, each)}, step
        for earlier, later in zip(after.rings, after.rings[1:], strict=False):
            if earlier.cohort is None:
                assert all(later.cuts[stratum] >= cut for stratum, cut in earlier.cuts.items())
        if after.phase != "rolling":
            break


@FEW
@given(devices=DEVICES, ring_plan=PLANS, days=st.integers(min_value=0, max_value=400), before=st.booleans())
def test_no_evidence_never_promotes(devices: int, ring_plan: object, days: int, before: bool) -> None:
    world = World(state=fleet(devices, ring_plan=ring_plan))  # type: ignore[arg-type]
    world = (world.heard(on_stable) if before else world).later(HOUR).judged()
    verdict = world.later(timedelta(days=days, minutes=1)).verdict()
    assert verdict.kind != "promote"


@FEW
@given(devices=DEVICES, ring_plan=PLANS, days=st.one_of(st.integers(0, 3), st.integers(0, 400)))
def test_a_ring_of_which_nobody_has_reported_since_it_opened_opens_no_other(
    devices: int, ring_plan: object, days: int
) -> None:
    """What the rings before it have shown is no evidence of its own devices."""
    world = World(state=fleet(devices, ring_plan=ring_plan)).heard(on_stable).later(HOUR).judged()  # type: ignore[arg-type]
    for _ in range(4):
        world = world.later(HOUR)
        world = world.heard(world.exposed_are(confirmed)).judged()
        progress = world.view.progress
        if progress is None or not progress.rings:
            return  # a fleet without devices opens nothing
        own = [each for each in world.subjects() if ring_of(progress, each) == progress.rings[-1].name]
        if progress.phase == "rolling" and progress.rings[-1].opened_at == world.now and own:
            assert world.later(timedelta(days=days, minutes=1)).verdict().kind != "promote"


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=STEPS)
def test_the_judge_exposes_exactly_the_devices_that_read_it_so(
    devices: int, ring_plan: object, seed: int, steps: int
) -> None:
    """A device computes its own ring from its class file; the judge must count the same devices."""
    said = ("confirmed", "confirmed", "confirmed", "probation")
    world = history(World(state=fleet(devices, ring_plan=ring_plan)).judged(), seed, steps, said)  # type: ignore[arg-type]
    progress, resolution = world.view.progress, resolve(world.state)
    if progress is None or progress.phase != "rolling":
        return
    plans = {each.class_id: each.rollout for each in resolution.assignments}
    for subject in world.subjects():
        class_id = resolution.class_of[subject.device]
        rollout = plans[class_id]
        assert rollout is not None
        file = ClassFile(
            class_id=class_id,
            model="digits",
            stable=STABLE,
            rollout=ClassRollout(
                rollout=rollout.rollout,
                salt=rollout.salt,
                unit=rollout.unit,
                manifest=sha256(b"candidate"),
                ranges=rollout.ranges,
            ),
        )
        row = IndexRow(class_id=class_id, state="active", units=world.state.devices[subject.device].labels)
        assigned = assign(file, row, subject.device)
        assert (assigned.ring.ring if assigned.ring else None) == ring_of(progress, subject)
        assert assigned.bucket == subject.bucket


@FEW
@given(devices=DEVICES, ring_plan=PLANS, seed=SEEDS, steps=STEPS)
def test_every_exposed_device_is_counted_once(devices: int, ring_plan: object, seed: int, steps: int) -> None:
    world = history(World(state=fleet(devices, ring_plan=ring_plan)).judged(), seed, steps)  # type: ignore[arg-type]
    progress = world.view.progress
    assert progress is not None
    tallies = tally(world.view, world.subjects(), world.observations, now=world.now)
    exposed = [each for each in world.subjects() if ring_of(progress, each)]
    assert sum(each.assigned + each.held for each in tallies if each.arm == "exposed") == len(exposed)
    for each in tallies:
        if each.arm == "exposed":
            assert each.decided + len(each.waiting) + each.unreachable >= min(each.assigned, 10)
            assert each.confirmed + each.reverted + each.refused <= each.assigned
