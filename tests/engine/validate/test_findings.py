"""Every built-in finding: found by its bad fleet, at the right place, with a message and a fix."""

import pytest

from fakes.bad_fleets import BAD_FLEETS, TODAY, BadFleet, check_bad, edited
from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.rules import RULES
from ringtide_engine.workflows.check import check


@pytest.mark.parametrize("bad", BAD_FLEETS, ids=lambda bad: bad.rule)
def test_a_bad_fleet_gets_its_finding(bad: BadFleet) -> None:
    outcome = check_bad(bad)
    assert [each.rule for each in outcome.findings if each.rule != bad.rule] == list(bad.also)
    (found,) = (each for each in outcome.findings if each.rule == bad.rule)
    assert (str(found.place), found.message, found.fix) == (bad.at, bad.message, bad.fix)
    assert found.severity == RULES[bad.rule].severity
    if found.severity == "error":
        assert not outcome.passed
        with pytest.raises(FindingsError):
            outcome.accepted()


def test_every_rule_has_a_bad_fleet() -> None:
    of_the_work_tree = {"RT-FILE-004"}  # what is no file has no content; the corpus of broken fleets has its cases
    assert [bad.rule for bad in BAD_FLEETS] == [rule for rule in RULES if rule not in of_the_work_tree]


@pytest.mark.parametrize("devices", [1, 2, 12, 60])
@pytest.mark.parametrize("rollout", [None, "1.1.0"])
def test_a_valid_fleet_has_no_finding_that_is_an_error(devices: int, rollout: str | None) -> None:
    files = fleet_files(devices, rollout=rollout)
    outcome = check(files, files, TODAY, CelConditions())
    assert outcome.passed
    assert outcome.accepted() is outcome.state
    if devices >= 12:
        assert outcome.findings == ()


def test_all_findings_come_at_once_sorted_by_place() -> None:
    files = edited(
        fleet_files(rollout="1.1.0"),
        {
            "placements/digits-everywhere.yaml": ("cohort: all", "cohort: nobody"),
            "devices/edge-m-0002.yaml": ("hardwareClass: edge-m", "hardwareClass: edge-x"),
            "rings/standard.yaml": ("share: 100%", "share: 90%"),
        },
    )
    outcome = check(files, None, TODAY, CelConditions())
    assert [(each.rule, each.place.path) for each in outcome.findings] == [
        ("RT-REF-005", "devices/edge-m-0002.yaml"),
        ("RT-REF-002", "placements/digits-everywhere.yaml"),
        ("RT-RING-002", "rings/standard.yaml"),
    ]
