"""Ingest against real repositories: what is collected, what a commit is made for, and what is not done twice."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import device_key, fleet_files
from fakes.fleet_pair import FleetPair, StubbornRepository, fleet_pair, retired
from fakes.reporting_devices import STABLE, ReportingDevice, model
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.keys import PrivateKey, generate, key_hint, public_pem
from ringtide_engine.judge.collected import (
    MAX_SEGMENT_BYTES,
    CollectorState,
    fill_segments,
    read_segment,
    segment_days,
)
from ringtide_engine.judge.intake import MAX_REPORTS
from ringtide_engine.workflows.collected import collectors, read_collected
from ringtide_engine.workflows.ingest import ingest

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    return fleet_pair(tmp_path, 3, rollout=None)


def state_of(pair: FleetPair) -> CollectorState:
    return CollectorState.decode(pair.collected()["state.json"])


def test_new_reports_are_collected_in_order(pair: FleetPair) -> None:
    for _ in range(3):
        pair.send("edge-s-0001", model("confirmed", STABLE))
    pair.send("edge-m-0002")
    result = pair.ingest()
    assert (result.accepted, result.findings) == (4, ())
    files = pair.collected()
    assert set(files) == {"state.json", "segments/2026-11-23/0001.jsonl"}
    collected = read_collected(pair.reports, collectors(pair.reports), pair.state, pair.now)
    assert [(item.report.device, item.report.number) for item in collected.observations] == [
        ("edge-m-0002", 1),
        ("edge-s-0001", 1),
        ("edge-s-0001", 2),
        ("edge-s-0001", 3),
    ]
    assert all(item.ingested_at == pair.now for item in collected.observations)
    assert state_of(pair).devices["edge-s-0001"].number == 3  # type: ignore[index]


def test_collecting_again_changes_nothing(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    first = pair.ingest()
    assert first.commit is not None
    again = pair.later(MINUTE).ingest()
    assert (again.commit, again.accepted) == (None, 0)
    assert pair.reports.head("collected/main") == first.commit


def test_only_what_is_new_is_appended(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    before = pair.collected()["segments/2026-11-23/0001.jsonl"]
    pair.later(MINUTE).send("edge-s-0001")
    assert pair.ingest().accepted == 1
    after = pair.collected()["segments/2026-11-23/0001.jsonl"]
    assert after.startswith(before)
    assert len(after.splitlines()) == 2
    assert json.loads(after.splitlines()[1])["ingestedAt"] == "2026-11-23T09:01:00Z"


def test_liveness_is_committed_once_an_interval(pair: FleetPair) -> None:
    assert pair.ingest().commit is not None, "the first says that somebody collects"
    assert pair.later(4 * MINUTE).ingest().commit is None
    assert pair.later(MINUTE).ingest().commit is not None
    assert state_of(pair).through == pair.now


def test_a_gap_is_recorded_and_not_refused(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    device = pair.devices["edge-s-0001"]
    device.send({})
    pair.send("edge-s-0001")
    pair.push("reports/edge-s-0001", {"reports/2.json": None})
    result = pair.ingest()
    assert (result.accepted, result.findings) == (2, ())
    record = state_of(pair).devices["edge-s-0001"]  # type: ignore[index]
    assert (record.number, record.gaps) == (3, 1)


def test_a_device_that_lost_its_ledger_goes_on_with_a_new_chain(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    device = pair.devices["edge-s-0001"]
    device.number, device.previous = 1_795_000_000, None
    pair.send("edge-s-0001")
    pair.send("edge-s-0001")
    result = pair.ingest()
    assert (result.accepted, [each.rule for each in result.findings]) == (2, ["RT-REPORT-007"])
    record = state_of(pair).devices["edge-s-0001"]  # type: ignore[index]
    assert (record.number, record.gaps) == (1_795_000_002, 1)
    pair.later(MINUTE).send("edge-s-0001")
    again = pair.ingest()
    assert (again.accepted, again.findings) == (1, ())


def test_a_device_first_heard_of_with_a_high_number_is_no_finding(pair: FleetPair) -> None:
    pair.devices["edge-s-0001"].number = 1_795_000_000
    pair.send("edge-s-0001")
    result = pair.ingest()
    assert (result.accepted, result.findings) == (1, ())


def test_a_device_that_deletes_its_old_reports_is_no_finding(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    pair.push("reports/edge-s-0001", {"reports/1.json": None})
    pair.send("edge-s-0001")
    result = pair.ingest()
    assert (result.accepted, result.findings) == (1, ())


def test_a_new_day_starts_a_new_folder(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    pair.later(timedelta(days=1)).send("edge-s-0001")
    pair.ingest()
    assert {"segments/2026-11-23/0001.jsonl", "segments/2026-11-24/0001.jsonl"} < set(pair.collected())


def test_a_clock_that_went_back_does_not_write_the_past_again(pair: FleetPair) -> None:
    pair.later(15 * HOUR).send("edge-s-0001")
    pair.ingest()
    before = pair.collected()
    pair.later(-HOUR).send("edge-s-0001")
    assert pair.ingest().accepted == 1
    after = pair.collected()
    assert set(after) == set(before)
    assert state_of(pair).through == pair.now + HOUR


def test_a_clock_that_was_far_ahead_once_is_named_and_does_not_poison_what_follows(pair: FleetPair) -> None:
    pair.later(timedelta(days=365)).send("edge-s-0001")
    pair.ingest()
    before = pair.collected()
    pair.later(-timedelta(days=365)).send("edge-s-0001")
    with pytest.raises(InputError, match="2027-11-23T09:00:00Z, but this clock says 2026-11-23T09:00:00Z"):
        pair.ingest()
    assert pair.collected() == before


def test_two_ingests_at_once_leave_one_result(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.send("edge-m-0002")
    pair.reports.before_commit = lambda: void(pair.ingest())
    late = pair.ingest()
    assert late.commit is None
    assert len(pair.collected()["segments/2026-11-23/0001.jsonl"].splitlines()) == 2
    head = pair.reports.head("collected/main")
    assert head is not None
    assert len(list(pair.reports.history(head))) == 1


def test_an_ingest_that_loses_every_race_says_so(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    with pytest.raises(TransientError, match="moved 5 times"):
        ingest(pair.fleet, StubbornRepository(pair.folders[1]), collector="main", now=pair.now)


def test_a_dry_run_writes_nothing(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    result = ingest(pair.fleet, pair.reports, collector="main", now=pair.now, dry_run=True)
    assert (result.commit, result.accepted) == (None, 1)
    assert pair.collected() == {}


def test_a_device_enrolled_with_a_new_key_starts_a_new_chain(pair: FleetPair) -> None:
    name = "edge-s-0001"
    for _ in range(3):
        pair.send(name)
    pair.ingest()
    key = generate()
    lines = public_pem(key.public_key()).splitlines()
    path = f"devices/{name}.yaml"
    text = pair.fleet.files(pair.head)[path].decode()
    head, _, rest = text.partition("publicKey: |\n")
    tail = rest[rest.index("hardwareClass:") :]
    pair.change(**{path: (head + "publicKey: |\n" + "".join(f"  {line}\n" for line in lines) + tail).encode()})
    pair.devices[name] = ReportingDevice(id=name, key=key)
    pair.send(name)
    result = pair.ingest()
    assert (result.accepted, result.findings) == (1, ())
    assert state_of(pair).devices[name].number == 1  # type: ignore[index]


def test_the_judge_believes_no_segment_that_the_enrolled_key_does_not_confirm(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    path = "segments/2026-11-23/0001.jsonl"
    forged = ReportingDevice(id="edge-m-0002", key=generate())
    line = {"ingestedAt": "2026-11-23T09:00:00Z", "envelope": json.loads(forged.make()[1])}
    content = pair.collected()[path] + json.dumps(line).encode() + b"\n"
    assert [item.report.device for item in read_segment(path, content, pair.state)] == ["edge-s-0001"]


def test_a_damaged_segment_names_its_line(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    content = pair.collected()["segments/2026-11-23/0001.jsonl"] + b"{}\n"
    with pytest.raises(InputError, match=r"s\.jsonl:2 is not a collected report"):
        list(read_segment("s.jsonl", content, pair.state))


def test_a_branch_that_is_no_collectors_is_named(pair: FleetPair) -> None:
    pair.push("collected/odd", {"x": b"y"})
    with pytest.raises(InputError, match=r"collected/odd has no state\.json"):
        collectors(pair.reports)


def test_segments_stay_small() -> None:
    from fakes.judged_rollouts import START

    line = b"x" * 400_000 + b"\n"
    filled = fill_segments(None, b"", [line] * 5, START)
    assert sorted(filled) == [f"segments/2026-11-23/000{number}.jsonl" for number in (1, 2, 3)]
    assert max(map(len, filled.values())) <= MAX_SEGMENT_BYTES
    assert sum(map(len, filled.values())) == 5 * len(line)
    more = fill_segments("segments/2026-11-23/0003.jsonl", line, [line], START)
    assert more == {"segments/2026-11-23/0003.jsonl": line * 2}
    assert list(segment_days(START, START + timedelta(days=2))) == [f"segments/2026-11-2{day}/" for day in (3, 4, 5)]


def test_a_retired_device_is_heard_no_more(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.change(**retired(fleet_files(3), "edge-s-0001"))
    result = pair.ingest()
    assert (result.accepted, [each.rule for each in result.findings]) == (0, ["RT-REPORT-006"])


def test_a_held_device_is_still_heard(pair: FleetPair) -> None:
    path = "devices/edge-s-0001.yaml"
    pair.change(**{path: fleet_files(3)[path].replace(b"state: active", b"state: held")})
    pair.send("edge-s-0001")
    assert (pair.ingest().accepted, pair.collected() != {}) == (1, True)


def test_a_flood_is_taken_from_its_newest_end(pair: FleetPair) -> None:
    from ringtide_engine.judge.intake import take
    from ringtide_engine.workflows.ingest import _new_files

    class Flooded:
        def shallow(self, commit: str, *folders: str) -> dict[str, str]:
            return {f"{folders[-1]}/{number}.json": str(number) for number in range(1, 2 * MAX_REPORTS)}

        def contents(self, objects: Iterable[str], *, most_bytes: int) -> dict[str, bytes]:
            return dict.fromkeys(objects, b"x")

    files = _new_files(Flooded(), None, "head")  # type: ignore[arg-type]
    assert len(files) == MAX_REPORTS
    assert f"reports/{2 * MAX_REPORTS - 1}.json" in files
    device = pair.state.devices["edge-s-0001"]  # type: ignore[index]
    intake = take(device, files, None, pair.state, head="head", now=pair.now)
    assert (intake.lines, intake.record) == ((), None)
    assert len(intake.findings) == 20


def test_state_is_read_back_as_it_was(pair: FleetPair) -> None:
    pair.send("edge-s-0001")
    pair.ingest()
    state = state_of(pair)
    assert CollectorState.decode(state.encode()) == state
    with pytest.raises(InputError):
        CollectorState.decode(replace(state, devices={}).encode()[:-3])


def void(_: object) -> None:
    return None


def keyed(pair: FleetPair, name: str, key: PrivateKey, previous: PrivateKey | None) -> None:
    """Let a person review another key of a device."""
    path = f"devices/{name}.yaml"
    text = pair.fleet.files(pair.head)[path].decode()
    tail = text[text.index("hardwareClass:") :]
    fields = {"publicKey": key} | ({} if previous is None else {"previousKey": previous})
    written = ""
    for field, value in fields.items():
        lines = public_pem(value.public_key()).splitlines()
        written += f"{field}: |\n" + "".join(f"  {line}\n" for line in lines)
    pair.change(**{path: (text[: text.index("publicKey:")] + written + tail).encode()})


def test_during_a_rotation_both_keys_are_believed_in_one_chain_until_the_new_one_has_spoken(pair: FleetPair) -> None:
    name, new = "edge-s-0001", generate()
    old, device = device_key(name), pair.devices[name]
    pair.send(name)
    pair.ingest()
    keyed(pair, name, new, old)
    pair.send(name)
    assert (pair.ingest().accepted, state_of(pair).devices[name].key) == (1, key_hint(old.public_key()))  # type: ignore[index]
    before = replace(device, files={})
    device.key = new
    pair.send(name)
    result = pair.later(MINUTE).ingest()
    assert (result.accepted, result.findings) == (1, ())
    record = state_of(pair).devices[name]  # type: ignore[index]
    assert (record.number, record.gaps, record.key) == (3, 0, key_hint(new.public_key()))
    read = read_collected(pair.reports, collectors(pair.reports), pair.state, pair.now)
    assert [item.report.number for item in read.observations] == [1, 2, 3], "evidence from before goes on counting"

    before.number, before.previous = device.number, device.previous
    pair.push(f"reports/{name}", before.send())
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-002"], "nobody changes back"
    keyed(pair, name, new, None)
    pair.push(f"reports/{name}", {"reports/4.json": None})
    pair.send(name)
    assert (pair.ingest().accepted, state_of(pair).devices[name].number) == (1, 4)  # type: ignore[index]


def test_the_key_before_convicts_nobody_after_the_change(pair: FleetPair) -> None:
    name, new = "edge-s-0001", generate()
    keyed(pair, name, new, device_key(name))
    pair.devices[name].key = new
    pair.send(name)
    pair.send(name)
    pair.ingest()
    thief = ReportingDevice(id=name)
    pair.push(f"reports/{name}", {**thief.send(), **thief.send()})
    assert {each.rule for each in pair.ingest().findings} == {"RT-REPORT-003"}
    assert state_of(pair).devices[name].fork is None  # type: ignore[index]
