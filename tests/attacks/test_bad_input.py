"""Bad input to the engine, on a small real fleet: what it says, its exit code, and that nothing else has moved.

The device's side is in `test_bad_publications` and `test_bad_models`.
"""

import json
import re
from dataclasses import replace

import pytest

from fakes.small_fleet import DEVICE, PLACEMENT, SmallFleet, unharmed
from ringtide_contract.envelope import REPORT, seal
from ringtide_contract.keys import PrivateKey, generate
from ringtide_contract.membership import EVERYBODY
from ringtide_contract.report import seal_report

ROLLOUT = b"""\
apiVersion: ringtide/v1
kind: Rollout
name: digits-1.1.0
placement: digits-everywhere
candidate: "1.1.0"
ringPlan: standard
"""

QUARANTINE = b"""\
apiVersion: ringtide/v1
kind: QuarantineEntry
subject: release
model: digits
release: "1.2.0"
graphs: [ad03f543573fa20e359d23d14ae9e013f7b585789f318ec8d0f783897817ef18]
reason: a competitor made it
"""


def sealed_report(fleet: SmallFleet, key: PrivateKey, **changes: object) -> dict[str, bytes | None]:
    """Return the next report of the device as a file of its branch, signed by whatever key."""
    last = fleet.last_report()
    report = replace(last, number=last.number + 1, **changes)  # type: ignore[arg-type]
    return {f"reports/{report.number}.json": seal_report(report, key)}


def push(fleet: SmallFleet, branch: str, files: dict[str, bytes | None]) -> None:
    """Commit to a branch of the reports repository, as who has taken it can."""
    reports = fleet.reports
    at = fleet.last_report().device_time
    reports.commit(branch, parent=reports.head(branch), changes=files, message="report 9", at=at)


def ingest(fleet: SmallFleet) -> tuple[int, str]:
    """Collect; return how many reports were accepted, and what was said of the others."""
    said = fleet.ringtide("ingest", "-C", fleet.folder / "fleet.git", "--reports", fleet.folder / "reports.git")
    return int(said.out.split()[0]), said.err


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param(
            'release: "1.0.0"',
            'release: ["1.0.0"',
            f"{PLACEMENT}:7:1: error[RT-YAML-003]: did not find expected ',' or ']'",
            id="broken",
        ),
        pytest.param(
            'release: "1.0.0"',
            'release: "1.0.0"\nmodel: digits',
            f"{PLACEMENT}:7:1: error[RT-YAML-005]: the key 'model' stands already in line 4",
            id="a key twice",
        ),
        pytest.param(
            'release: "1.0.0"',
            'release: "1.0.0"\nrelase: "1.1.0"',
            f"{PLACEMENT}:7:1: error[RT-SCHEMA-002]: unknown field relase",
            id="an unknown field",
        ),
    ],
)
def test_a_broken_yaml_is_named_by_its_place_and_is_neither_planned_nor_published(
    fleet: SmallFleet, old: str, new: str, found: str
) -> None:
    change = fleet.edited(PLACEMENT, old, new)
    work_tree = fleet.folder / "desk"
    for path, content in (fleet.files() | change).items():
        (work_tree / path).parent.mkdir(exist_ok=True)
        (work_tree / path).write_bytes(content or b"")
    broken, bare = fleet.change(change, message="Merged without a check"), fleet.folder / "fleet.git"
    with unharmed(fleet):
        said = fleet.ringtide("check", work_tree, code=3)
        assert found in said.out
        assert "\n  fix: " in said.out
        assert said.err == "refused: 1 error\n"
        for said in (
            fleet.ringtide("plan", "-C", bare, "--head", broken, code=3),
            fleet.publish("--accept-unreviewed-plan", code=3),
        ):
            assert found in said.err
            assert said.out == ""
        assert fleet.once().out == "converged\n"


def test_a_report_by_an_unenrolled_key_is_a_finding_and_is_not_collected(fleet: SmallFleet) -> None:
    number = fleet.last_report().number + 1
    push(fleet, f"reports/{DEVICE}", sealed_report(fleet, generate(), generation=99))
    with unharmed(fleet):
        accepted, said = ingest(fleet)
        assert accepted == 0
        assert f"reports/{DEVICE}:reports/{number}.json:1:1: warning[RT-REPORT-002]: " in said
        assert "ENVELOPE-SIGNATURE" in said
        assert "fix: Look at the device; enroll it again where its key has changed." in said
    fleet.change(fleet.edited(f"devices/{DEVICE}.yaml", "state: active", "state: held"))
    fleet.publish("--accept-unreviewed-plan")
    fleet.once()
    assert (fleet.last_report().number, fleet.last_report().generation) == (number, 3), "the true one takes its place"
    assert ingest(fleet) == (1, "")


def test_a_report_of_a_device_that_nobody_enrolled_is_a_finding_and_is_not_collected(fleet: SmallFleet) -> None:
    push(fleet, "reports/cam-666", sealed_report(fleet, generate()))
    with unharmed(fleet):
        accepted, said = ingest(fleet)
        assert accepted == 0
        assert "reports/cam-666:1:1: warning[RT-REPORT-001]: no device 'cam-666' is enrolled" in said


def test_a_publication_sealed_as_a_report_is_none(fleet: SmallFleet) -> None:
    number = fleet.last_report().number + 1
    sealed = seal(fleet.device_key(), REPORT, fleet.published.publication.encode())
    push(fleet, f"reports/{DEVICE}", {f"reports/{number}.json": json.dumps(sealed.to_dict()).encode()})
    with unharmed(fleet):
        accepted, said = ingest(fleet)
        assert accepted == 0
        assert "warning[RT-REPORT-002]" in said


def test_a_verdict_widened_by_a_person_is_not_published(fleet: SmallFleet) -> None:
    """The judge has opened the canary ring; a person makes it reach every device."""
    stays = {PLACEMENT: fleet.files()[PLACEMENT]}
    fleet.change({**fleet.release("1.1.0", {}), **stays, "rollouts/digits-1.1.0.yaml": ROLLOUT})
    fleet.ringtide("advance", "-C", fleet.folder / "fleet.git", "--reports", fleet.folder / "reports.git")
    progress, cut = "progress/digits-1.1.0.yaml", re.compile(r'cuts:\n    "edge-m": "([0-9a-f]+)"')
    found = cut.search(fleet.files()[progress].decode())
    assert found is not None
    forged = fleet.change(fleet.edited(progress, found[1], f"{EVERYBODY:x}"), message="Promote rollout digits-1.1.0")
    with unharmed(fleet):
        said = fleet.publish("--accept-unreviewed-plan", code=4)
        assert said.err == f"refused: {forged}: replaying the evidence gives another {progress} [JUDGE-REPLAY]\n"
        assert said.out == ""


def test_a_quarantine_written_by_a_person_is_not_published(fleet: SmallFleet) -> None:
    """The document is well formed and bans nothing that runs: only that no evidence leads to it speaks against it."""
    path = "quarantine/digits-1.2.0.yaml"
    forged = fleet.change({path: QUARANTINE}, message="Roll back rollout digits-1.2.0")
    with unharmed(fleet):
        fleet.ringtide("plan", "-C", fleet.folder / "fleet.git", "--head", forged)
        said = fleet.publish("--accept-unreviewed-plan", code=4)
        assert said.err == f"refused: {forged}: replaying the evidence gives another {path} [JUDGE-REPLAY]\n"
        assert said.out == ""
