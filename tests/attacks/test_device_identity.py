"""A device's identity over its life, with real agents: copied, enrolled again, its key rotated, held, removed."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.small_fleet import DEVICE, SmallFleet
from ringtide_contract.ids import parse_device_id
from ringtide_engine.judge.collected import CollectorState, DeviceRecord
from ringtide_engine.workflows.collected import collectors, read_collected
from ringtide_engine.workflows.listings import read_head

pytestmark = pytest.mark.journey

FILE = f"devices/{DEVICE}.yaml"
AT_ONCE = ("--set", "report.max_silence_s=1")
"""Let a device report in every turn that comes a second after its last report."""


def ingest(fleet: SmallFleet) -> tuple[int, list[str]]:
    """Collect; return how many reports were accepted, and which rules the others broke."""
    said = fleet.ringtide("ingest", "-C", fleet.folder / "fleet.git", "--reports", fleet.folder / "reports.git")
    return int(said.out.split()[0]), [part.partition("]")[0] for part in said.err.split("warning[")[1:]]


def taken(fleet: SmallFleet) -> None:
    """Collect, and hold it that everything new was believed."""
    accepted, found = ingest(fleet)
    assert accepted >= 1
    assert found == []


def record(fleet: SmallFleet) -> DeviceRecord:
    head = fleet.reports.head("collected/main")
    assert head is not None
    return CollectorState.decode(fleet.reports.files(head)["state.json"]).devices[DEVICE]


def turn(fleet: SmallFleet, state: Path, *, code: int = 0) -> None:
    """Let the agent over a state folder report once."""
    time.sleep(1)  # two turns of a quick machine end within one second, and the second of them says nothing new
    fleet.agent("once", "--config", state / "agent.toml", "--wait", "0", *AT_ONCE, code=code)


def copied(fleet: SmallFleet) -> Path:
    """Copy the disk of the device into another one, key and all."""
    copy = fleet.folder / "copy"
    shutil.copytree(fleet.state, copy)
    toml = copy / "agent.toml"
    toml.write_text(toml.read_text().replace(str(fleet.state), str(copy)))
    return copy


def rekey(fleet: SmallFleet, document: str) -> None:
    """Do what a person does with a document that a device printed: edit the work tree, have it merged."""
    desk, paper = fleet.folder / "work-tree", fleet.folder / "document.yaml"
    shutil.rmtree(desk, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(fleet.folder / "fleet.git"), str(desk)], check=True)
    paper.write_text(document)
    assert fleet.ringtide("device", "rekey", paper, "-C", desk).out == f"{FILE}\n"
    fleet.change({FILE: (desk / FILE).read_bytes()}, message="Another key for the camera")


def test_a_copied_disk_is_found_and_a_person_ends_it_by_enrolling_the_true_one_again(fleet: SmallFleet) -> None:
    copy = copied(fleet)
    turn(fleet, fleet.state)
    taken(fleet)
    turn(fleet, copy)
    assert ingest(fleet) == (0, ["RT-REPORT-008"])
    turn(fleet, fleet.state)
    assert ingest(fleet) == (0, ["RT-REPORT-008"])
    bare, reports = fleet.folder / "fleet.git", fleet.folder / "reports.git"
    listed = fleet.ringtide("get", "devices", "-C", bare, "--reports", reports).out
    assert "cloned: two histories part at report " in listed
    assert f"two devices report with the key of {DEVICE}" in fleet.ringtide(
        "why", DEVICE, "-C", bare, "--reports", reports
    ).out  # fmt: skip

    for name in ("device.key", "agent.toml"):
        (fleet.state / name).rename(fleet.folder / f"old-{name}")
    document = fleet.agent(
        "enroll", "--fleet", "harbour", "--device", DEVICE, "--hardware-class", "edge-m",
        "--root", fleet.folder / "desk" / "trust" / "1.root.json", "--publication", bare.as_uri(),
        "--reports", reports.as_uri(), "--state-dir", fleet.state, "--serve-port", "0",
    ).out  # fmt: skip
    rekey(fleet, document)
    turn(fleet, fleet.state)
    accepted, found = ingest(fleet)
    assert accepted >= 1
    assert set(found) <= {"RT-REPORT-002"}, "of what the old key signed last"
    assert record(fleet).fork is None
    assert fleet.last_report().models["digits"].phase == "confirmed", "it went on with what it ran"
    turn(fleet, copy)
    accepted, found = ingest(fleet)
    assert accepted == 0, "the copy is nobody now"
    assert set(found) <= {"RT-REPORT-002", "RT-REPORT-003"}
    assert found
    assert record(fleet).fork is None


def test_a_key_is_rotated_without_a_gap_in_what_is_believed(fleet: SmallFleet) -> None:
    before = record(fleet)
    config = ("--config", fleet.state / "agent.toml")
    assert "no next key" in fleet.agent("rotate-key", *config, "--switch", code=1).err
    said = fleet.agent("rotate-key", *config)
    assert fleet.agent("rotate-key", *config).out == said.out, "the next key is made once"
    turn(fleet, fleet.state)
    taken(fleet)
    rekey(fleet, said.out)
    turn(fleet, fleet.state)
    taken(fleet)
    assert record(fleet).key == before.key
    fleet.agent("rotate-key", *config, "--switch")
    assert not (fleet.state / "device.key.next").exists()
    turn(fleet, fleet.state)
    taken(fleet)
    after = record(fleet)
    assert after.key != before.key
    assert (after.gaps, after.fork) == (before.gaps, None)
    found = read_collected(fleet.reports, collectors(fleet.reports), read_head(fleet.repository), after.ingested_at)
    assert len(found.observations) == after.number, "reports of both keys count"


def test_a_held_device_keeps_what_it_runs_and_is_still_heard(fleet: SmallFleet) -> None:
    fleet.change(fleet.edited(FILE, "state: active", "state: held"))
    fleet.change(fleet.edited("placements/digits-everywhere.yaml", 'release: "1.0.0"', "release: null"))
    fleet.publish("--accept-unreviewed-plan")
    running = fleet.running()
    fleet.once(code=5)
    assert fleet.running() == running
    assert [each.type for each in fleet.last_report().conditions] == ["held"]
    taken(fleet)


@pytest.mark.parametrize("way", ["removed", "retired"])
def test_a_device_that_left_gets_nothing_new_and_is_not_believed(fleet: SmallFleet, way: str) -> None:
    others = {path: content for path, content in fleet_files(9).items() if path.startswith("devices/")}
    fleet.change(others, message="Enroll more, so that one may leave")
    fleet.publish("--accept-unreviewed-plan")
    gone = {FILE: None} if way == "removed" else fleet.edited(FILE, "state: active", "state: retired")
    fleet.change(gone)
    fleet.publish("--accept-unreviewed-plan")
    running = fleet.running()
    said = fleet.agent("once", "--config", fleet.state / "agent.toml", "--wait", "0", *AT_ONCE, code=4)
    assert f"the publication has no device '{DEVICE}': not enrolled, or retired" in said.err
    accepted, found = ingest(fleet)
    assert (accepted, found) == (0, ["RT-REPORT-001" if way == "removed" else "RT-REPORT-006"])
    state = read_head(fleet.repository)
    heard = read_collected(fleet.reports, collectors(fleet.reports), state, record(fleet).ingested_at)
    assert heard.observations == ()
    assert fleet.running() == running
    assert parse_device_id(DEVICE) not in [each for each in state.devices if state.devices[each].state != "retired"]
