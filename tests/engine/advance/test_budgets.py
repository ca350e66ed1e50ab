"""Disruption budgets against real repositories: what was let begin is in Git, and every verdict replays."""

from datetime import timedelta
from pathlib import Path

import pytest

from fakes.bad_fleets import TODAY
from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.reporting_devices import counters, model
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.evidence import read_evidence
from ringtide_engine.resolve.state import resolve
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.cases import asked_of
from ringtide_engine.workflows.check import check

NAME = "digits-1.1.0"
BUDGET = b"disruptionBudgets: [{label: site, maxUnavailable: 1}]\n"


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet of four sites of three devices, of which one each may be away."""
    made = fleet_pair(tmp_path, soak="1m")
    made.change(**{"fleet.yaml": (made.fleet.file(made.head, "fleet.yaml") or b"") + BUDGET})
    return made


def obey(pair: FleetPair) -> FleetPair:
    """Let every device confirm what is asked of it by now, and report twice."""
    for _ in range(2):
        pair.later(timedelta(minutes=2))
        for name, asked in asked_of(pair.state, resolve(pair.state)).items():
            manifest = asked["digits"]
            assert manifest is not None
            pair.send(name, model("confirmed", manifest, counters(manifest)))
        pair.ingest()
    return pair


def test_a_rollout_lets_devices_begin_one_by_one_and_every_verdict_replays(pair: FleetPair) -> None:
    obey(pair).advance()
    for _ in range(10):
        obey(pair).advance()
    progress = pair.state.progress[NAME]
    assert progress.phase == "completed"
    assert all(ring.admitted for ring in progress.rings)
    titles = [info.message.splitlines()[0] for info in pair.fleet.history(pair.head)]
    assert f"Let more devices begin ring rest of rollout {NAME}" in titles
    verdicts = [info.id for info in pair.fleet.history(pair.head) if "rollout" in info.message.splitlines()[0]]
    assert len(verdicts) > 4, "more than one a ring"
    for commit in verdicts:
        replay(pair.fleet, commit)


def test_devices_that_nobody_has_heard_of_leave_no_room(pair: FleetPair) -> None:
    pair.ingest()
    pair.advance()
    pair.later(timedelta(minutes=1)).ingest()
    pair.advance()
    progress = pair.state.progress[NAME]
    assert [ring.admitted for ring in progress.rings] == [{}]
    evidence, _ = read_evidence(pair.fleet.file(pair.head, progress.last.evidence) or b"")
    assert evidence.occupied == {"site=eu-001": 3, "site=eu-002": 3, "site=us-001": 3, "site=us-002": 3}


def test_the_labels_of_budgets_stay_while_devices_begin_one_by_one(pair: FleetPair) -> None:
    obey(pair).advance()
    pair.later(timedelta(minutes=1))
    assert "RT-ROLLOUT-006" in _found(pair, BUDGET, b"")
    assert "RT-ROLLOUT-006" not in _found(pair, b"maxUnavailable: 1", b"maxUnavailable: 2")


def test_a_unit_that_no_budget_has_room_for_is_found(pair: FleetPair) -> None:
    plan = (pair.fleet.file(pair.head, "rings/standard.yaml") or b"").replace(b"unit: device", b"unit: site")
    pair.change(**{"rings/standard.yaml": plan})
    assert "RT-BUDGET-001" in _found(pair, b"", b"")


def _found(pair: FleetPair, old: bytes, new: bytes) -> list[str]:

    base = dict(pair.fleet.files(pair.head))
    files = {**base, "fleet.yaml": base["fleet.yaml"].replace(old, new)}
    return [each.rule for each in check(files, base, TODAY, CelConditions()).findings]
