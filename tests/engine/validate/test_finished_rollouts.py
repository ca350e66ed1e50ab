"""What the judge has finished is the steady state, and no finding blames a fleet for it."""

from datetime import date

import pytest

from fakes.bad_fleets import QUARANTINE
from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.steady_state import stable_version, unfinished
from ringtide_engine.workflows.check import CheckOutcome, check

PROGRESS = """\
apiVersion: ringtide/v1
kind: Progress
rollout: digits-1.1.0
candidate: "1.1.0"
stable: {stable}
phase: {phase}
control: {{}}
rings: []
last: {{kind: promote, reasons: [], at: 2026-11-23T10:00:00Z, evidence: progress/digits-1.1.0/0001.json}}
"""


def outcome(phase: str, stable: str, quarantined: str | None = None) -> CheckOutcome:
    files = fleet_files(rollout="1.1.0")
    files["progress/digits-1.1.0.yaml"] = PROGRESS.format(phase=phase, stable=stable).encode()
    if quarantined is not None:
        files[f"quarantine/digits-{quarantined}.yaml"] = QUARANTINE.format(release=quarantined).encode()
    return check(files, files, date(2026, 11, 23), CelConditions())


@pytest.mark.parametrize(
    ("phase", "stable", "version", "open_rollouts"),
    [("rolling", "null", "1.0.0", 1), ("completed", '"1.1.0"', "1.1.0", 0), ("rolledBack", "null", "1.0.0", 0)],
)
def test_a_completed_rollout_decides_the_steady_state(
    phase: str, stable: str, version: str, open_rollouts: int
) -> None:
    state = outcome(phase, stable).accepted()
    placement = state.placements["digits-everywhere"]
    assert stable_version(state, placement) == version
    assert len(unfinished(state, placement)) == open_rollouts


def test_a_rolled_back_candidate_may_lie_in_quarantine() -> None:
    assert outcome("rolledBack", "null", "1.1.0").findings == ()


@pytest.mark.parametrize(
    ("phase", "stable", "quarantined", "rule"),
    [
        ("rolling", "null", "1.1.0", "RT-QUARANTINE-001"),
        ("completed", '"1.1.0"', "1.1.0", "RT-QUARANTINE-002"),
        ("rolledBack", "null", "1.0.0", "RT-QUARANTINE-002"),
    ],
)
def test_what_devices_run_or_will_run_may_not(phase: str, stable: str, quarantined: str, rule: str) -> None:
    found = outcome(phase, stable, quarantined)
    assert [each.rule for each in found.findings] == [rule]
    assert not found.passed


def test_a_graph_stays_banned_under_another_version() -> None:
    files = fleet_files(rollout="1.1.0")
    graph = "e8a17ffcd0cfcd08c264837b7d30a95a7c0e5529d9af136fcbbc949f13d7fe40"
    entry = (
        QUARANTINE.format(release="0.9.0")
        .replace("graphs: []", f"graphs: [{graph}]")
        .replace("release\nmodel", "artifact\nmodel")
    )
    files["quarantine/digits-0.9.0.yaml"] = entry.encode()
    (found,) = check(files, None, date(2026, 11, 23), CelConditions()).findings
    assert found.rule == "RT-QUARANTINE-001"
    assert "quarantined as digits 0.9.0" in found.message
