"""What the judge has decided is neither undone nor redirected by an edit that does not say so."""

import pytest

from fakes.bad_fleets import COHORT, PLACED, PLACEMENT, ROLL, ROLLOUT, TODAY, Edit, edited, judged
from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.workflows.check import check

NEXT = "rollouts/digits-1.2.0.yaml"
RINGS = "rings/standard.yaml"
TWICE = {NEXT: ROLLOUT.format(name="digits-1.2.0", candidate="1.2.0")}
LATER = "2026-11-22T18:00:00Z"
BOTH = TWICE | judged("1.1.0", "completed") | judged("1.2.0", "completed", at=LATER)
US = "cohorts/us.yaml"
MOVED: dict[str, Edit] = {
    PLACED: ("cohort: all", "cohort: eu"),
    "placements/us.yaml": PLACEMENT.format(name="us", cohort="us"),
}
PILOT = judged("1.1.0", "rolling", "canary", "pilot")


def found(base: dict[str, bytes], edits: dict[str, Edit]) -> list[str]:
    files = edited(base, edits)
    return sorted(each.rule for each in check(files, base, TODAY, CelConditions()).findings)


def fleet(judge: dict[str, str], release: str = "1.0.0", rollout: str | None = "1.1.0") -> dict[str, bytes]:
    return fleet_files(release=release, rollout=rollout) | {path: text.encode() for path, text in judge.items()}


@pytest.mark.parametrize(
    ("edits", "rules"),
    [
        ({PLACED: ('"1.0.0"', '"1.2.0"'), NEXT: None}, ["RT-GUARD-004", "RT-ROLLOUT-003"]),
        ({PLACED: ('"1.0.0"', '"1.2.0"'), NEXT: None, ROLL: None}, []),
        ({PLACED: ('"1.0.0"', '"1.2.0"')}, []),
        ({ROLL: None}, []),
        ({PLACED: ('"1.0.0"', '"1.1.0"'), NEXT: None, ROLL: None}, ["RT-GUARD-004"]),
        ({PLACED: ('"1.0.0"', "null"), NEXT: None, ROLL: None}, []),
        ({PLACED: ('"1.0.0"', "null")}, ["RT-ROLLOUT-003"]),
    ],
    ids=["newest alone", "all", "release first", "superseded", "older", "taken away", "not taken away"],
)
def test_folding_never_brings_an_older_release_back(edits: dict[str, Edit], rules: list[str]) -> None:
    assert found(fleet(BOTH), edits) == rules


def test_what_was_folded_since_the_base_is_no_finding() -> None:
    done = judged("1.1.0", "completed") | judged("1.2.0", "completed", at=LATER)
    assert found(fleet({}), {PLACED: ('"1.0.0"', '"1.2.0"'), ROLL: None, **done}) == []


@pytest.mark.parametrize(
    ("edits", "rules"),
    [
        ({RINGS: ("unit: device", "unit: site")}, ["RT-ROLLOUT-006"]),
        ({RINGS: ("name: pilot", "name: second")}, ["RT-ROLLOUT-006"]),
        ({RINGS: ("name: rest", "name: everybody")}, []),
        ({RINGS: ("soak: 1h", "soak: 2h")}, []),
        (
            {ROLL: ("digits-everywhere", "us"), US: COHORT.format(name="us", label="region: us")} | MOVED,
            ["RT-ROLLOUT-006"],
        ),
    ],
    ids=["unit", "opened ring", "later ring", "soak", "placement"],
)
def test_what_a_rollout_under_way_stands_on_stays(edits: dict[str, Edit], rules: list[str]) -> None:
    assert found(fleet(PILOT), edits) == rules


def test_rings_that_are_to_come_are_not_cut_off() -> None:
    base = fleet(PILOT)
    kept, _, _ = base[RINGS].decode().partition("  - name: rest")
    assert found(base, {RINGS: kept.replace("share: 50%", "share: 100%")}) == ["RT-ROLLOUT-006"]


@pytest.mark.parametrize("phase", ["completed", "rolledBack"])
def test_the_verdicts_of_the_judge_are_no_edit(phase: str) -> None:
    base = fleet(judged("1.1.0", "rolling", "canary"))
    rings = ("canary", "pilot", "rest") if phase == "completed" else ("canary",)
    assert found(base, dict(judged("1.1.0", phase, *rings, at=LATER))) == []
    assert found(fleet({}), dict(judged("1.1.0", "rolling", "canary"))) == []


def test_a_finished_rollout_may_be_followed_by_any_edit() -> None:
    base = fleet(judged("1.1.0", "rolling", "canary"))
    edits: dict[str, Edit] = {RINGS: ("unit: device", "unit: site"), **judged("1.1.0", "rolledBack", "canary")}
    assert found(base, edits) == []


@pytest.mark.parametrize("phase", ["completed", "rolledBack"])
def test_the_name_of_a_finished_rollout_is_used_up(phase: str) -> None:
    base = fleet(judged("1.1.0", phase), rollout=None)
    again: dict[str, Edit] = {ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.1.0")}
    assert found(base, again) == ["RT-ROLLOUT-005"]
    other: dict[str, Edit] = {ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.2.0")}
    assert found(base, other) == ["RT-ROLLOUT-004", "RT-ROLLOUT-005"]
