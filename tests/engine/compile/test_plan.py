"""Plans: what a change does to devices, and a digest that a reviewer can rely on."""

from dataclasses import replace
from datetime import timedelta

from fakes.desired_states import OPENED, desired_state, device, opened, pin, progress_of
from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.membership import EVERYBODY
from ringtide_engine.compile import compile_tree
from ringtide_engine.compile.forecast import forecast
from ringtide_engine.compile.plan import make_plan
from ringtide_engine.compile.sides import Side
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.plan import Plan, PlanRow
from ringtide_engine.model.releases import ReleaseDelta
from ringtide_engine.resolve import resolve, rollout_units

POLICY = Digest("1" * 64)
STRATA = [f"{hardware}/region={region}" for hardware in ("edge-s", "edge-m", "edge-l") for region in ("eu", "us")]


def side(state: DesiredState, base: DesiredState | None = None) -> Side:
    """Return one side of a plan, with the judge's part taken from the base."""
    judged = replace(state, progress=(base or state).progress, quarantine=(base or state).quarantine)
    bare = replace(state, progress={}, quarantine=())
    root = compile_tree(bare, resolve(bare), None).head.root
    return Side(state=judged, resolution=resolve(judged), root=root)


def planned(base: DesiredState | None, head: DesiredState) -> Plan:
    after = side(head, base)
    names = {each.rollout.rollout for each in after.resolution.assignments if each.rollout}
    units = {name: rollout_units(after.state, after.resolution, name) for name in names}
    return make_plan(None if base is None else side(base), after, units, POLICY)


def row(plan: Plan, cause: str, ring: str | None = None) -> PlanRow:
    return next(each for each in plan.rows if (each.cause, each.ring) == (cause, ring))


def test_the_first_publication_installs_everywhere_and_counts_its_bytes() -> None:
    plan = planned(None, desired_state())
    assert plan.base is None
    assert [(each.cause, each.before, each.after, each.now) for each in plan.rows] == [
        ("placement everywhere", None, "1.0.0", 12)
    ]
    # Eight devices fetch the fp32 graph, the four small ones int8, and each of them the golden set.
    assert plan.rows[0].fetch_bytes == 8 * 100_000 + 4 * 30_000 + 12 * 5_000
    assert sum(len(each.devices) for each in plan.changes) == 12


def test_the_same_state_twice_changes_nothing() -> None:
    plan = planned(desired_state(), desired_state())
    assert plan.is_empty
    assert plan.rows == ()


def test_a_new_rollout_moves_nobody_now_and_forecasts_every_ring() -> None:
    plan = planned(desired_state(60), desired_state(60, candidate="1.1.0"))
    assert plan.changes == ()
    assert not plan.is_empty
    rows = [row(plan, "rollout digits-1.1.0", ring) for ring in ("canary", "pilot", "rest")]
    assert [each.now for each in rows] == [0, 0, 0]
    assert sum(each.later for each in rows) == 60
    assert rows[0].later >= 6  # at least one in each of six strata
    assert all((each.before, each.after) == ("1.0.0", "1.1.0") for each in rows)


def test_the_control_waits_for_the_last_ring() -> None:
    state = desired_state(60, candidate="1.1.0")
    resolution = resolve(state)
    rings = forecast(state, resolution, "digits-1.1.0", rollout_units(state, resolution, "digits-1.1.0"))
    reached = {each.ring: set(each.devices) for each in rings}
    assert not any(each.is_open for each in rings)
    assert len(reached["rest"]) >= 6  # one of the control in each of six strata
    assert set.union(*reached.values()) == set(state.devices)
    assert sum(map(len, reached.values())) == 60


def test_an_open_ring_is_told_from_those_to_come() -> None:
    progress = progress_of("1.1.0", "rolling", opened("canary", dict.fromkeys(STRATA, EVERYBODY)))
    state = desired_state(12, candidate="1.1.0", progress=progress)
    resolution = resolve(state)
    rings = forecast(state, resolution, "digits-1.1.0", rollout_units(state, resolution, "digits-1.1.0"))
    assert [(each.ring, each.is_open, len(each.devices)) for each in rings] == [
        ("canary", True, 12),
        ("pilot", False, 0),
        ("rest", False, 0),
    ]


def test_a_cohort_ring_reaches_its_cohort_alone() -> None:
    state = desired_state(12, candidate="1.1.0")
    plan = state.ring_plans["standard"]
    first = replace(plan.rings[0], share=None, cohort="eu")
    state = replace(state, ring_plans={"standard": replace(plan, rings=(first, *plan.rings[1:]))})
    resolution = resolve(state)
    canary = forecast(state, resolution, "digits-1.1.0", rollout_units(state, resolution, "digits-1.1.0"))[0]
    assert {state.devices[name].labels["region"] for name in canary.devices} == {"eu"}
    assert len(canary.devices) == 6


def test_pinned_and_held_devices_are_counted_beside_the_others() -> None:
    held = device(4, state="held")
    base = pin(desired_state(), "edge-m-0001", "1.0.0")
    base = replace(base, devices={**base.devices, held.id: held})
    head = replace(base, rollouts=desired_state(candidate="1.1.0").rollouts)
    plan = planned(base, head)
    rows = [each for each in plan.rows if each.cause == "rollout digits-1.1.0"]
    assert {each.pinned for each in rows} == {1}
    assert sum(each.held for each in rows) == 1
    assert sum(each.later for each in rows) == 11


def test_a_pin_and_a_retirement_are_told() -> None:
    base = desired_state()
    pinned = pin(base, "edge-m-0001", "1.2.0")
    gone = replace(base.devices[DeviceId("edge-s-0000")], state="retired")
    plan = planned(base, replace(pinned, devices={**pinned.devices, gone.id: gone}))
    assert [(each.cause, each.before, each.after, each.now) for each in plan.rows] == [
        ("no longer served", "1.0.0", None, 1),
        ("pin", "1.0.0", "1.2.0", 1),
    ]
    assert {each.devices for each in plan.changes} == {("edge-m-0001",), ("edge-s-0000",)}


def test_an_artifact_that_a_device_has_is_not_fetched_again() -> None:
    base = desired_state()
    key = ("digits", "1.0.0")
    again = replace(base.releases[key], attempt=1)
    plan = planned(base, replace(base, releases={**base.releases, key: again}))
    assert sum(each.now for each in plan.rows) == 12
    assert sum(each.fetch_bytes for each in plan.rows) == 0


def test_a_device_that_runs_the_base_of_a_delta_fetches_the_delta() -> None:
    base = desired_state()
    old, new = base.releases["digits", "1.0.0"], base.releases["digits", "1.1.0"]
    delta = ReleaseDelta(base=old.variants[0].file.sha256, sha256=Digest("d" * 64), size_bytes=700)
    fp32 = replace(new.variants[0], file=replace(new.variants[0].file, deltas=(delta,)))
    releases = {**base.releases, ("digits", "1.1.0"): replace(new, variants=(fp32, *new.variants[1:]))}
    placements = {name: replace(each, release="1.1.0") for name, each in base.placements.items()}
    plan = planned(replace(base, releases=releases), replace(base, releases=releases, placements=placements))
    # Eight devices patch the fp32 graph that they run; the four small ones fetch int8; the golden set is another one.
    assert sum(each.fetch_bytes for each in plan.rows) == 8 * 700 + 4 * 30_000 + 12 * 5_000


# The digest: stable where nothing that was reviewed changes, and other where something does.


def test_a_verdict_between_review_and_merge_leaves_the_digest_alone() -> None:
    base = desired_state(candidate="1.1.0")
    head = replace(base, devices={**base.devices, device(30).id: device(30)})
    reviewed = planned(base, head)
    progress = progress_of("1.1.0", "rolling", opened("canary", dict.fromkeys(STRATA, 2**62)))
    later = {"digits-1.1.0": progress}
    assert planned(replace(base, progress=later), replace(head, progress=later)).digest == reviewed.digest


def test_a_verdict_that_changes_what_the_edit_does_changes_the_digest() -> None:
    base = desired_state(candidate="1.1.0")
    removed = replace(base, rollouts={})
    reviewed = planned(base, removed)
    assert reviewed.changes == ()
    completed = {"digits-1.1.0": progress_of("1.1.0", "completed", at=OPENED + timedelta(days=1))}
    now = planned(replace(base, progress=completed), removed)
    assert now.digest != reviewed.digest
    assert [(each.before, each.after, each.now) for each in now.rows] == [("1.1.0", "1.0.0", 12)]


def test_another_policy_verdict_is_another_digest() -> None:
    state = desired_state()
    one = planned(None, state)
    assert replace(one, policy=Digest("2" * 64)).digest != one.digest


def test_the_order_of_input_does_not_change_the_digest() -> None:
    base, head = desired_state(30), desired_state(30, placed="1.2.0", candidate="1.1.0")
    turned = replace(head, devices=dict(reversed(list(head.devices.items()))))
    assert planned(base, turned).digest == planned(base, head).digest
