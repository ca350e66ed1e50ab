"""Two devices with one key: proved by what both have signed, and neither is believed until a person enrols anew."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import device_key
from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.judged_rollouts import confirmed
from fakes.reporting_devices import STABLE, ReportingDevice, model
from ringtide_contract.ids import DeviceId, sha256
from ringtide_contract.keys import PrivateKey, generate, public_pem
from ringtide_engine.judge.collected import CollectorState, Fork
from ringtide_engine.judge.documents import is_evidence_path
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.collected import collectors, read_collected
from ringtide_engine.workflows.listings import list_devices
from ringtide_engine.workflows.status import status
from ringtide_engine.workflows.why import why

VICTIM, OTHER = DeviceId("edge-s-0001"), DeviceId("edge-m-0002")
BRANCH = f"reports/{VICTIM}"
ON_STABLE = {"digits": model("confirmed", STABLE)}
REVERTED = {"digits": model("reverted", STABLE)}


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose victim has reported three times and was collected."""
    made = fleet_pair(tmp_path, 3, rollout=None)
    for _ in range(3):
        made.send(VICTIM, ON_STABLE["digits"])
    made.send(OTHER, ON_STABLE["digits"])
    assert made.ingest().accepted == 4
    return made


def clone_of(device: ReportingDevice) -> ReportingDevice:
    return replace(device, files=dict(device.files))


def fork(pair: FleetPair) -> Fork | None:
    return CollectorState.decode(pair.collected()["state.json"]).devices[VICTIM].fork


def heard(pair: FleetPair) -> set[str]:
    """Return whose reports the judge reads."""
    found = read_collected(pair.reports, collectors(pair.reports), pair.state, pair.now - timedelta(days=1))
    return {item.report.device for item in found.observations}


def enrolled(pair: FleetPair, key: PrivateKey, previous: PrivateKey | None = None) -> None:
    """Let a person review another key of the victim."""
    path = f"devices/{VICTIM}.yaml"
    text = pair.fleet.files(pair.head)[path].decode()
    start, end = text.index("publicKey: |\n"), text.index("hardwareClass:")
    written = ""
    for name, each in (("publicKey", key), ("previousKey", previous)):
        if each is not None:
            lines = public_pem(each.public_key()).splitlines()
            written += f"{name}: |\n" + "".join(f"  {line}\n" for line in lines)
    pair.change(**{path: (text[:start] + written + text[end:]).encode()})


def convicted(pair: FleetPair, number: int) -> None:
    """Ingest, and hold the conviction to what it promises."""
    segments = {path: content for path, content in pair.collected().items() if path != "state.json"}
    result = pair.ingest()
    assert [(each.rule, each.place.path) for each in result.findings] == [("RT-REPORT-008", BRANCH)]
    assert f"which part at report {number}; neither is believed" in result.findings[0].message
    assert (result.accepted, result.commit is None) == (0, False)
    assert {path: content for path, content in pair.collected().items() if path != "state.json"} == segments
    assert fork(pair) == Fork(number=number, at=pair.now)
    assert heard(pair) == {OTHER}
    again = pair.later(timedelta(minutes=1)).ingest()
    assert (again.findings, again.commit) == (result.findings, None), "it stays visible, and makes no commit"
    pair.send(VICTIM)
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-008"], "nothing more is taken"
    assert heard(pair) == {OTHER}


def test_both_report_and_are_read_in_between(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    assert pair.ingest().accepted == 1
    pair.push(BRANCH, clone.send(REVERTED))
    convicted(pair, 4)


def test_one_goes_on_where_the_other_has_begun(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    pair.ingest()
    clone.send(REVERTED)
    pair.push(BRANCH, clone.send(REVERTED))
    convicted(pair, 5)


def test_both_report_between_two_ingests_and_one_overwrites_the_other(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    pair.push(BRANCH, clone.send(REVERTED))
    pair.push(BRANCH, clone.send(REVERTED))
    convicted(pair, 4)


def test_a_device_that_was_set_back_to_an_old_disk(pair: FleetPair) -> None:
    pair.push(BRANCH, ReportingDevice(id=VICTIM, number=1, previous=sha256(b"x")).send(REVERTED))
    convicted(pair, 2)


def test_a_device_that_lost_its_disk_and_kept_its_key(pair: FleetPair) -> None:
    pair.push(BRANCH, ReportingDevice(id=VICTIM).send(REVERTED))
    convicted(pair, 1)


def test_a_thief_of_the_key_alone_who_begins_a_chain_far_ahead(pair: FleetPair) -> None:
    thief = ReportingDevice(id=VICTIM, number=1_795_000_000)
    pair.push(BRANCH, thief.send(REVERTED))
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-007"]
    pair.send(VICTIM)
    convicted(pair, 4)


def test_a_device_never_heard_of_before(pair: FleetPair) -> None:
    name = next(name for name in pair.devices if name not in (VICTIM, OTHER))
    for part in (ON_STABLE, REVERTED):
        pair.push(f"reports/{name}", ReportingDevice(id=name).send(part))
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-008"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda device: ReportingDevice(id=VICTIM, key=generate(), number=3).make(), id="another key"),
        pytest.param(lambda device: ("reports/3.json", b"{}"), id="no report"),
        pytest.param(lambda device: ("reports/3.json", device.files["reports/2.json"]), id="another number"),
        pytest.param(lambda device: device.make(number=3, fleet="other"), id="another fleet"),
    ],
)
def test_whoever_may_only_write_to_the_branch_convicts_nobody(
    pair: FleetPair, spoil: Callable[[ReportingDevice], tuple[str, bytes]]
) -> None:
    path, content = spoil(pair.devices[VICTIM])
    pair.push(BRANCH, {path: content})
    pair.ingest()
    pair.push(BRANCH, {path: pair.devices[VICTIM].files.get(path)})
    pair.send(VICTIM)
    assert pair.ingest().accepted == 1
    assert fork(pair) is None


def test_a_reply_that_got_lost_makes_no_clone(pair: FleetPair) -> None:
    device = pair.devices[VICTIM]
    pair.push(BRANCH, device.send(ON_STABLE))
    pair.push(BRANCH, {"reports/4.json": None})
    pair.push(BRANCH, {"reports/4.json": device.files["reports/4.json"], **device.send(ON_STABLE)})
    result = pair.ingest()
    assert (result.accepted, result.findings, fork(pair)) == (2, (), None)


def test_a_person_ends_it_by_enrolling_the_device_with_another_key(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    pair.push(BRANCH, clone.send(REVERTED))
    pair.ingest()
    key = generate()
    enrolled(pair, key)
    fresh = ReportingDevice(id=VICTIM, key=key)
    pair.push(BRANCH, fresh.send(ON_STABLE))
    result = pair.ingest()
    assert (result.accepted, result.findings, fork(pair)) == (1, (), None)
    assert heard(pair) == {OTHER, VICTIM}
    pair.push(BRANCH, clone.send(REVERTED))
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-002"], "the copy is a stranger now"
    assert fork(pair) is None


def test_a_rotation_does_not_end_it_since_the_copy_has_the_key_before(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    pair.push(BRANCH, clone.send(REVERTED))
    pair.ingest()
    key = generate()
    enrolled(pair, key, previous=device_key(VICTIM))
    fresh = ReportingDevice(id=VICTIM, key=key, number=4, previous=sha256(b"x"))
    pair.push(BRANCH, fresh.send(ON_STABLE))
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-008"]
    enrolled(pair, key)
    pair.push(BRANCH, fresh.send(ON_STABLE))
    assert pair.ingest().accepted >= 1
    assert (fork(pair), heard(pair)) == (None, {OTHER, VICTIM})


def test_people_are_told_wherever_they_look(pair: FleetPair) -> None:
    clone = clone_of(pair.devices[VICTIM])
    pair.send(VICTIM)
    pair.push(BRANCH, clone.send(REVERTED))
    pair.ingest()
    rows = {row["id"]: row for row in list_devices(pair.state, pair.reports)}
    assert rows[VICTIM]["alert"] == "cloned: two histories part at report 4"
    assert (rows[VICTIM]["runs"], rows[OTHER]["alert"]) == ([], None)
    said = why(pair.fleet, pair.reports, VICTIM, now=pair.now)
    assert said.alert is not None
    assert said.alert.startswith(f"two devices report with the key of {VICTIM}: its histories part at report 4")
    assert said.to_dict()["alert"] == said.alert
    assert {each.stands for each in said.models} <= {"not known: its reports are not believed"}


def test_a_verdict_counts_neither_names_the_device_and_is_replayed_from_the_reports(tmp_path: Path) -> None:
    pair = fleet_pair(tmp_path, 12, soak="1h")
    pair.report(confirmed)
    pair.ingest()
    assert pair.advance().commits
    pair.later(timedelta(minutes=10)).report(confirmed)
    pair.ingest()
    victim = pair.exposed()[0].device
    clone = clone_of(pair.devices[victim])
    pair.send(victim)
    pair.push(f"reports/{victim}", clone.send(REVERTED))
    pair.later(timedelta(minutes=5)).ingest()
    (item,) = pair.advance().judged
    (counted,) = [each for each in item.evidence.tallies if each.cloned]
    assert counted.cloned == (victim,)
    assert counted.arm == "exposed"
    assert counted.unreachable == 1
    (path,) = [path for path in item.files if is_evidence_path(path)]
    assert victim in json.dumps(json.loads(item.files[path])["tallies"])
    (shown,) = status(pair.fleet, pair.reports, now=pair.now)
    assert f"{victim} cloned" in shown.rings[0].waiting
    replay(pair.fleet, pair.head, reports=pair.reports, now=pair.now)
