"""Attacks on reports, by name: each is found, and changes neither the collector's state nor its segments."""

import base64
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.fleet_files import device_key
from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.reporting_devices import STABLE, ReportingDevice, model
from ringtide_contract.canonical import encode
from ringtide_contract.envelope import seal
from ringtide_contract.ids import sha256
from ringtide_contract.keys import generate
from ringtide_contract.report import Condition
from ringtide_engine.cli.main import run

VICTIM, OTHER = "edge-s-0001", "edge-m-0002"


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose victim has reported twice, honestly, and was collected."""
    made = fleet_pair(tmp_path, 3, rollout=None)
    for _ in range(2):
        made.send(VICTIM, model("confirmed", STABLE))
    assert made.ingest().accepted == 2
    return made


def refused(pair: FleetPair, branch: str, files: Mapping[str, bytes | None]) -> list[str]:
    """Push files as an attacker could, ingest, and return the rules found; nothing else may have changed."""
    before, head = pair.collected(), pair.reports.head("collected/main")
    pair.push(branch, files)
    result = pair.ingest()
    assert (result.accepted, result.commit) == (0, None)
    assert pair.collected() == before
    assert pair.reports.head("collected/main") == head
    again = pair.ingest()
    assert again.findings == result.findings, "it stays visible"
    return [each.rule for each in result.findings]


def test_an_old_report_put_back_is_no_proof_of_anything(pair: FleetPair) -> None:
    old = pair.devices[VICTIM].files["reports/1.json"]
    pair.push(f"reports/{VICTIM}", {"reports/1.json": None})
    pair.send(VICTIM)
    assert pair.ingest().accepted == 1
    assert refused(pair, f"reports/{VICTIM}", {"reports/1.json": old}) == ["RT-REPORT-003"]


def test_a_report_signed_by_a_key_that_is_not_enrolled(pair: FleetPair) -> None:
    thief = ReportingDevice(id=VICTIM, key=generate(), number=2, previous=pair.devices[VICTIM].previous)
    assert refused(pair, f"reports/{VICTIM}", dict([thief.make()])) == ["RT-REPORT-002"]


def test_reports_of_a_device_that_nobody_enrolled(pair: FleetPair) -> None:
    stranger = ReportingDevice(id="stranger-1")
    assert refused(pair, "reports/stranger-1", dict([stranger.make()])) == ["RT-REPORT-001"]


def test_a_branch_whose_name_is_no_device_id(pair: FleetPair) -> None:
    assert refused(pair, "reports/Not_A_Device", {"reports/1.json": b"{}"}) == ["RT-REPORT-001"]


def test_an_old_report_under_a_new_number(pair: FleetPair) -> None:
    old = pair.devices[VICTIM].files["reports/1.json"]
    assert refused(pair, f"reports/{VICTIM}", {"reports/3.json": old}) == ["RT-REPORT-002"]


def test_a_second_beginning(pair: FleetPair) -> None:
    assert refused(pair, f"reports/{OTHER}", dict([ReportingDevice(id=OTHER).make(previous=sha256(b"x"))])) == [
        "RT-REPORT-004"
    ]


def test_a_true_report_of_another_device_carried_to_this_branch(pair: FleetPair) -> None:
    assert refused(pair, f"reports/{VICTIM}", {"reports/3.json": ReportingDevice(id=OTHER, number=2).make()[1]}) == [
        "RT-REPORT-005"
    ]


def test_a_device_that_speaks_for_another(pair: FleetPair) -> None:
    liar = ReportingDevice(id=OTHER, key=device_key(VICTIM), number=2)
    assert refused(pair, f"reports/{VICTIM}", dict([liar.make()])) == ["RT-REPORT-005"]


def test_a_device_of_another_fleet_with_the_same_name(pair: FleetPair) -> None:
    device = pair.devices[VICTIM]
    assert refused(pair, f"reports/{VICTIM}", dict([device.make(fleet="other")])) == ["RT-REPORT-005"]


def _tampered(content: bytes) -> bytes:
    envelope = json.loads(content)
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["generation"] = 99
    envelope["payload"] = base64.b64encode(encode(payload)).decode()
    return encode(envelope)


def _other_type(content: bytes) -> bytes:
    payload = base64.b64decode(json.loads(content)["payload"])
    return encode(seal(device_key(VICTIM), "application/vnd.in-toto+json", payload).to_dict())


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_tampered, id="tampered payload"),
        pytest.param(_other_type, id="another payload type"),
        pytest.param(lambda content: content[:-1], id="cut off"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: b"[" * 100_000, id="deeply nested"),
        pytest.param(lambda content: b" " * 300_000 + content, id="oversized"),
        pytest.param(lambda content: b"\xff\xfe" + content, id="not text"),
        pytest.param(lambda content: content.replace(b'"sig"', b'"key"'), id="no signature"),
    ],
)
def test_a_spoiled_report(pair: FleetPair, spoil: Callable[[bytes], bytes]) -> None:
    path, content = pair.devices[VICTIM].make()
    assert refused(pair, f"reports/{VICTIM}", {path: spoil(content)}) == ["RT-REPORT-002"]


@pytest.mark.parametrize(
    "path", ["reports/03.json", "reports/0.json", "reports/3.txt", "state.json", "reports/x/3.json"]
)
def test_a_file_that_is_no_report(pair: FleetPair, path: str) -> None:
    assert refused(pair, f"reports/{VICTIM}", {path: pair.devices[VICTIM].make()[1]}) == ["RT-REPORT-002"]


def test_a_link_in_place_of_a_report(pair: FleetPair) -> None:
    folder = pair.folders[1]

    def git(*arguments: str, send: str | None = None) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, input=send).stdout.strip()

    blob = git("hash-object", "-w", "--stdin", send="/etc/passwd")
    inner = git("mktree", send=f"120000 blob {blob}\t1.json\n")
    tree = git("mktree", send=f"040000 tree {inner}\treports\n")
    git("update-ref", f"refs/heads/reports/{OTHER}", git("commit-tree", tree, "-m", "x"))
    before = pair.collected()
    result = pair.ingest()
    assert [each.rule for each in result.findings] == ["RT-REPORT-002"]
    assert pair.collected() == before


def test_one_bad_branch_does_not_stop_the_others(pair: FleetPair) -> None:
    pair.push("reports/stranger-1", {"reports/1.json": b"{}"})
    pair.push(f"reports/{VICTIM}", {"reports/3.json": b"{}"})
    pair.send(OTHER)
    result = pair.ingest()
    assert result.accepted == 1
    assert sorted(each.rule for each in result.findings) == ["RT-REPORT-001", "RT-REPORT-002"]


def test_a_finding_says_where_and_what_to_do(pair: FleetPair) -> None:
    pair.push(f"reports/{VICTIM}", {"reports/3.json": b"{}"})
    (found,) = pair.ingest().findings
    assert found.place.path == f"reports/{VICTIM}:reports/3.json"
    assert found.severity == "warning"
    assert found.fix


def test_a_forged_report_does_not_block_the_true_one(pair: FleetPair) -> None:
    thief = ReportingDevice(id=VICTIM, key=generate(), number=2, previous=pair.devices[VICTIM].previous)
    assert refused(pair, f"reports/{VICTIM}", dict([thief.make()])) == ["RT-REPORT-002"]
    pair.send(VICTIM)
    result = pair.ingest()
    assert (result.accepted, result.findings) == (1, ())


@pytest.mark.parametrize("words", ["\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "line\nvictim: confirmed"])
def test_words_of_a_device_do_not_move_the_cursor_of_who_reads_them(
    pair: FleetPair, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    part = model("confirmed", STABLE)
    assert part.active is not None
    part = replace(part, reason=words, active=replace(part.active, release=words, variant=words))
    device = pair.devices[VICTIM]
    said = (Condition(type="stale", note=words),)
    pair.push(f"reports/{VICTIM}", dict([device.make({"digits": part}, conditions=said)]))
    assert pair.ingest().accepted == 1
    fleet, reports = map(str, pair.folders)
    for verb in (("why", VICTIM), ("get", "devices")):
        assert run([*verb, "-C", fleet, "--reports", reports]) == 0
        shown = capfd.readouterr().out
        assert "stale" in shown or verb[0] == "get"
        assert all(line.isprintable() for line in shown.split("\n"))
        assert not any(line.startswith("victim: confirmed") for line in shown.split("\n"))
