"""Resolve: who runs what, from placements, rollouts, progress and pins."""

from dataclasses import replace
from datetime import timedelta

from fakes.desired_states import OPENED, desired_state, device, opened, pin, progress_of
from ringtide_contract.canonical import encode
from ringtide_contract.ids import DeviceId, sha256
from ringtide_contract.membership import EVERYBODY, salt
from ringtide_engine.model.assignment import ClassAssignment, Resolution
from ringtide_engine.model.desired import DesiredState, Placement
from ringtide_engine.resolve import resolve, rollout_units

HALF = 2**63
QUARTER = 2**62


def of(resolution: Resolution, name: str, model: str = "digits") -> ClassAssignment:
    class_id = resolution.class_of[DeviceId(name)]
    return next(each for each in resolution.assignments if (each.class_id, each.model) == (class_id, model))


def running(state: DesiredState, name: str = "edge-m-0001") -> str | None:
    stable = of(resolve(state), name).stable
    return None if stable is None else stable.release.version


def test_a_class_is_hardware_and_the_labels_that_cohorts_and_strata_read() -> None:
    resolution = resolve(desired_state())
    assert len(resolution.classes) == 6  # three kinds of hardware in two regions; sites split nothing
    each = resolution.classes[resolution.class_of[DeviceId("edge-m-0001")]]
    assert each.labels == {"region": "eu"}
    assert each.stratum == "edge-m/region=eu"
    assert each.class_id == sha256(encode({"hardwareClass": "edge-m", "labels": {"region": "eu"}}))[:16]


def test_a_missing_strata_label_is_an_empty_one() -> None:
    state = desired_state(1)
    bare = replace(device(0), labels={})
    resolution = resolve(replace(state, devices={bare.id: bare}))
    assert [each.stratum for each in resolution.classes.values()] == ["edge-s/region="]


def test_retired_devices_vanish_and_held_ones_stay() -> None:
    state = desired_state()
    devices = {**state.devices}
    for number, kind in ((0, "retired"), (1, "held")):
        changed = device(number, state=kind)
        devices[changed.id] = changed
    resolution = resolve(replace(state, devices=devices))
    assert "edge-s-0000" not in resolution.class_of
    assert "edge-s-0000" not in resolution.devices
    assert "edge-m-0001" in resolution.class_of


def test_the_first_variant_that_fits_is_chosen() -> None:
    resolution = resolve(desired_state())
    stable_s, stable_m = of(resolution, "edge-s-0000").stable, of(resolution, "edge-m-0001").stable
    assert stable_s is not None
    assert stable_m is not None
    assert (stable_s.variant.name, stable_m.variant.name) == ("int8", "fp32")


def test_the_rollout_that_completed_last_is_the_steady_state() -> None:
    state = desired_state(candidate="1.1.0", progress=progress_of("1.1.0", "completed"))
    assert running(state) == "1.1.0"
    later = desired_state(candidate="1.2.0").rollouts["digits-1.2.0"]
    newer = progress_of("1.2.0", "completed", at=OPENED + timedelta(days=1))
    both = replace(
        state, rollouts={**state.rollouts, later.name: later}, progress={**state.progress, newer.rollout: newer}
    )
    assert running(both) == "1.2.0"
    assert running(replace(both, rollouts={})) == "1.0.0"


def test_a_rollout_that_was_rolled_back_contributes_nothing() -> None:
    rings = opened("canary", {"edge-m/region=eu": HALF})
    state = desired_state(candidate="1.1.0", progress=progress_of("1.1.0", "rolledBack", rings))
    assignment = of(resolve(state), "edge-m-0001")
    assert assignment.rollout is None
    assert running(state) == "1.0.0"


def test_a_placement_without_a_release_installs_nothing() -> None:
    assert running(desired_state(placed=None)) is None


def test_before_the_first_ring_a_rollout_has_no_ranges() -> None:
    plan = of(resolve(desired_state(candidate="1.1.0")), "edge-m-0001").rollout
    assert plan is not None
    assert plan.ranges == ()
    assert plan.salt == salt("harbour", "digits-1.1.0", "1.1.0")
    assert plan.candidate.release.version == "1.1.0"


def test_progress_of_another_candidate_exposes_nobody() -> None:
    rings = opened("canary", {"edge-m/region=eu": HALF})
    other = progress_of("1.1.0", "rolling", rings, rollout="digits-1.2.0")
    plan = of(resolve(desired_state(candidate="1.2.0", progress=other)), "edge-m-0001").rollout
    assert plan is not None
    assert (plan.candidate.release.version, plan.ranges) == ("1.2.0", ())


def test_a_ring_by_share_takes_the_cut_of_the_stratum_and_nothing_where_the_judge_wrote_none() -> None:
    progress = progress_of("1.1.0", "rolling", opened("canary", {"edge-m/region=eu": QUARTER}))
    resolution = resolve(desired_state(candidate="1.1.0", progress=progress))
    here, there = of(resolution, "edge-m-0001").rollout, of(resolution, "edge-m-0004").rollout
    assert here is not None
    assert there is not None
    assert [each.cut for each in here.ranges] == [QUARTER]
    assert here.ranges[0].spread_s == 600
    assert here.ranges[0].not_before == OPENED
    assert [each.cut for each in there.ranges] == [0]


def test_a_ring_by_cohort_takes_everybody_of_the_cohort_and_cuts_never_shrink() -> None:
    strata = [f"{hardware}/region={region}" for hardware in ("edge-s", "edge-m", "edge-l") for region in ("eu", "us")]
    progress = progress_of(
        "1.1.0",
        "rolling",
        opened("canary", dict.fromkeys(strata, EVERYBODY), cohort="eu"),
        opened("pilot", dict.fromkeys(strata, QUARTER)),
    )
    resolution = resolve(desired_state(candidate="1.1.0", progress=progress))
    inside, outside = of(resolution, "edge-m-0001").rollout, of(resolution, "edge-m-0004").rollout
    assert inside is not None
    assert outside is not None
    assert [each.cut for each in inside.ranges] == [EVERYBODY, EVERYBODY]
    assert [each.cut for each in outside.ranges] == [0, QUARTER]


def test_a_pin_counts_whatever_the_cohort_runs() -> None:
    resolution = resolve(pin(desired_state(), "edge-m-0001", "1.2.0"))
    assert {
        name: {model: c.release.version for model, c in pins.items()} for name, pins in resolution.pinned.items()
    } == {"edge-m-0001": {"digits": "1.2.0"}}


def test_two_placements_of_one_model_resolve_to_the_first_by_name() -> None:
    state = desired_state()
    other = Placement(path="placements/a.yaml", name="a", model="digits", cohort="eu", release="1.2.0")
    resolution = resolve(replace(state, placements={**state.placements, "a": other}))
    assert of(resolution, "edge-m-0001").placement == "a"
    assert of(resolution, "edge-m-0004").placement == "everywhere"


def test_units_of_a_rollout_are_grouped_by_stratum_without_pinned_devices() -> None:
    state = pin(desired_state(candidate="1.1.0"), "edge-m-0001", "1.0.0")
    units = rollout_units(state, resolve(state), "digits-1.1.0")
    assert units["edge-s/region=eu"] == (("edge-s-0000", "edge-s-0000"), ("edge-s-0006", "edge-s-0006"))
    assert units["edge-m/region=eu"] == (("edge-m-0007", "edge-m-0007"),)


def test_a_label_as_unit_moves_devices_together_and_a_device_without_it_alone() -> None:
    state = desired_state(candidate="1.1.0")
    plan = replace(state.ring_plans["standard"], unit="site")
    bare = replace(device(0), labels={"region": "eu"})
    state = replace(state, ring_plans={"standard": plan}, devices={**state.devices, bare.id: bare})
    resolution = resolve(state)
    assert resolution.units == ("site",)
    units = rollout_units(state, resolution, "digits-1.1.0")
    assert units["edge-s/region=eu"] == (("edge-s-0000", "edge-s-0000"), ("edge-s-0006", "eu-1"))
