"""Everything stuck says why: status of rollouts, reasons of devices, listings, and the verbs that show them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.judged_rollouts import confirmed, in_probation
from ringtide_contract.errors import InputError
from ringtide_engine.cli.advance import advance_command
from ringtide_engine.cli.get import get_command
from ringtide_engine.cli.ingest import ingest_command
from ringtide_engine.cli.rollout import rollout_command
from ringtide_engine.cli.why import why_command
from ringtide_engine.workflows.listings import list_devices, list_releases, list_rollouts
from ringtide_engine.workflows.status import status
from ringtide_engine.workflows.why import why

NAME = "digits-1.1.0"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> FleetPair:
    """Return a fleet whose canary is confirmed but for one device in probation."""
    made = fleet_pair(tmp_path_factory.mktemp("pair"))
    made.report(confirmed)
    made.ingest()
    made.advance()
    late = made.exposed()[0].device
    made.later(timedelta(minutes=5)).report(confirmed, only=frozenset(made.devices) - {late})
    made.report(in_probation, only=frozenset({late}))
    made.ingest()
    return made


def test_status_says_which_devices_hold_the_ring_since_when_and_until_when(pair: FleetPair) -> None:
    (found,) = status(pair.fleet, pair.reports, now=pair.now)
    late = pair.exposed()[0].device
    assert (found.phase, found.next) == ("rolling", "hold")
    assert [(ring.name, ring.stage) for ring in found.rings] == [
        ("canary", "open"),
        ("pilot", "closed"),
        ("rest", "closed"),
    ]
    canary = found.rings[0]
    assert (canary.exposed, canary.reachable, canary.confirmed, canary.failed) == (3, 3, 2, 0)
    assert canary.waiting == (f"{late} probation",)
    assert f"{late} in probation" in found.reasons[0]
    assert found.since == canary.opened_at
    assert found.until == canary.opened_at + timedelta(days=3)
    assert {gate.metric for gate in canary.gates} == {"updateSuccess", "inferenceSuccess", "wentSilent"}


def test_status_writes_nothing(pair: FleetPair) -> None:
    head = pair.head
    status(pair.fleet, pair.reports, now=pair.now)
    assert pair.head == head


def test_an_unknown_rollout_names_the_known_ones(pair: FleetPair) -> None:
    with pytest.raises(InputError, match=r"no rollout nope; there are: digits-1\.1\.0"):
        status(pair.fleet, pair.reports, now=pair.now, name="nope")


def test_why_an_exposed_device_runs_the_candidate(pair: FleetPair) -> None:
    late = pair.exposed()[0].device
    found = why(pair.fleet, pair.reports, late, now=pair.now)
    (model,) = found.models
    assert model.release == "1.1.0"
    assert "ring canary exposes the device" in model.because
    assert any("the device's bucket is 0." in reason and "canary opens below 0." in reason for reason in model.because)
    assert model.stands.startswith("probation, running 1.1.0")
    assert found.record is not None
    assert found.record.number == 2
    commits = dict(model.commits)
    assert commits[f"progress/{NAME}.yaml"] == pair.head
    assert commits["placements/digits-everywhere.yaml"] != pair.head


def test_why_another_device_waits(pair: FleetPair) -> None:
    exposed = {each.device for each in pair.exposed()}
    waiting = [name for name in pair.devices if name not in exposed]
    said = [why(pair.fleet, pair.reports, name, now=pair.now).models[0] for name in waiting]
    assert {each.release for each in said} == {"1.0.0"}
    reasons = [reason for each in said for reason in each.because]
    assert any("waits for the next ring" in reason for reason in reasons)
    assert any("belongs to the control of" in reason for reason in reasons)


def test_a_bucket_lies_below_the_cut_that_why_prints(pair: FleetPair) -> None:
    for name in pair.devices:
        (model,) = why(pair.fleet, pair.reports, name, now=pair.now).models
        sentence = next(reason for reason in model.because if "bucket is" in reason)
        bucket = float(sentence.split("bucket is ")[1].split(";")[0])
        cut = float(sentence.split("below ")[1])
        exposed = "ring canary exposes the device" in model.because
        assert exposed == (bucket <= cut), "equal where four digits are too few to tell"


def test_why_nobody_knows_says_how_to_find_names(pair: FleetPair) -> None:
    with pytest.raises(InputError, match="ringtide get devices"):
        why(pair.fleet, pair.reports, "edge-x-9999", now=pair.now)
    with pytest.raises(InputError, match="not a device id"):
        why(pair.fleet, pair.reports, "No Device", now=pair.now)


def test_listings(pair: FleetPair) -> None:
    state = pair.state
    devices = list_devices(state, pair.reports)
    assert len(devices) == 12
    assert devices[0]["lastReport"] == "2026-11-23T09:05:00Z"
    assert (devices[0]["agent"], devices[0]["onnxruntime"]) == ("0", None)
    assert list_devices(state, None)[0]["lastReport"] is None
    assert list_devices(state, None)[0]["agent"] is None
    (rollout,) = list_rollouts(state)
    assert (rollout["phase"], rollout["ring"], rollout["lastVerdict"]) == ("rolling", "canary", "promote")
    assert [(row["version"], row["stableIn"]) for row in list_releases(state)] == [
        ("1.0.0", ["digits-everywhere"]),
        ("1.1.0", []),
        ("1.2.0", []),
    ]


def folders(pair: FleetPair) -> list[str]:
    return ["--fleet", str(pair.folders[0]), "--reports", str(pair.folders[1])]


def test_the_verbs_print_tables_and_json(pair: FleetPair) -> None:
    runner, late = CliRunner(), pair.exposed()[0].device
    shown = runner.invoke(rollout_command, ["status", *folders(pair)])
    assert shown.exit_code == 0, shown.output
    assert "canary [open] → pilot [closed] → rest [closed]" in shown.stdout
    assert f"{late} in probation" in shown.stdout or "collected/main reaches" in shown.stdout
    data = json.loads(runner.invoke(rollout_command, ["status", NAME, *folders(pair), "-o", "json"]).stdout)
    assert data[0]["rings"][0]["name"] == "canary"
    told = runner.invoke(why_command, [late, *folders(pair)])
    assert "ring canary exposes the device" in told.stdout
    assert json.loads(runner.invoke(why_command, [late, *folders(pair), "-o", "json"]).stdout)["device"] == late
    for kind, first in (("devices", "edge-l-0003"), ("rollouts", NAME), ("releases", "digits/1.0.0")):
        assert runner.invoke(get_command, [kind, *folders(pair), "-o", "name"]).stdout.splitlines()[0] == first
        assert runner.invoke(get_command, [kind, *folders(pair)]).exit_code == 0


def test_writing_verbs_have_a_dry_run(tmp_path: Path) -> None:
    pair, runner = fleet_pair(tmp_path, 3), CliRunner()
    pair.send("edge-s-0001")
    head = pair.head
    dry = runner.invoke(ingest_command, [*folders(pair), "--dry-run", "-o", "json"])
    assert json.loads(dry.stdout) == {"commit": None, "accepted": 1, "findings": []}
    assert pair.collected() == {}
    dry = runner.invoke(advance_command, [*folders(pair), "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "would promote" in dry.stdout
    assert pair.head == head
    wet = runner.invoke(ingest_command, [*folders(pair), "-o", "json"])
    assert json.loads(wet.stdout)["commit"] == pair.reports.head("collected/main")
    wet = runner.invoke(advance_command, [*folders(pair), "-o", "json"])
    assert json.loads(wet.stdout)["commits"] == [pair.head]
    assert pair.head != head
