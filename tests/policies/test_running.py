"""What a rule over one release sees of where it runs grows with the hardware classes, never with devices or labels."""

from fakes.fleet_files import fleet_files
from ringtide_engine.load.desired import load_desired
from ringtide_engine.resolve.view import FleetView

CLASSES = ("edge-l", "edge-m", "edge-s")


def view(devices: int, **asked: object) -> FleetView:
    state = load_desired(fleet_files(devices, **asked)).state  # type: ignore[arg-type]
    assert state is not None
    return FleetView(state, None)


def test_a_release_has_a_row_for_each_class_and_variant_however_many_devices() -> None:
    for devices in (12, 120):
        rows = view(devices, strata=("region",))["running"]["digits"]["1.0.0"]  # type: ignore[index]
        assert [(each["hardwareClass"], each["variant"]) for each in rows] == [
            ("edge-l", "fp32"),
            ("edge-m", "fp32"),
            ("edge-s", "int8"),
        ]
        assert sum(each["devices"] for each in rows) == devices


def test_a_candidate_runs_where_its_rollout_may_bring_it_and_any_other_release_nowhere() -> None:
    running = view(12, rollout="1.1.0")["running"]["digits"]  # type: ignore[index]
    assert [each["hardwareClass"] for each in running["1.1.0"]] == list(CLASSES)
    assert running["1.2.0"] == []


def test_each_class_names_the_models_placed_there() -> None:
    assert view(12)["installed"] == {name: ["digits"] for name in CLASSES}
    assert view(12, release=None)["installed"] == {name: ["digits"] for name in CLASSES}


def test_a_rollout_names_the_labels_that_it_reaches() -> None:
    (rollout,) = view(12, rollout="1.1.0", strata=("region",))["rollouts"]  # type: ignore[misc]
    assert rollout["labels"]["region"] == ["eu", "us"]
