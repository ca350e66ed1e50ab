"""One writer at a time: numbers are reserved by a commit, burned by a crash, and never signed twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import RacingRepository, StubbornRepository
from fakes.published_fleet import PublishedFleet, unpublished_fleet
from ringtide_contract.errors import TransientError
from ringtide_engine.workflows.publish import Approval, publish

PLACEMENT = "placements/digits-everywhere.yaml"


class PowerCutError(Exception):
    """The machine is gone in the middle."""


@pytest.fixture
def fleet(original: PublishedFleet, tmp_path: Path) -> PublishedFleet:
    """Return a published fleet with a reviewed change on `main`."""
    made = original.copy(tmp_path)
    made.edit(PLACEMENT, "1.0.0", "1.1.0")
    return made


def rival(fleet: PublishedFleet) -> None:
    """Publish at the same time, from a machine of one's own."""
    other = replace(fleet.publisher, repository=RacingRepository(fleet.folder))
    publish(other, Approval(unreviewed=True), fleet.now)


def cut() -> None:
    raise PowerCutError


def before_second_commit(fleet: PublishedFleet, action: object) -> None:
    """Let something happen between the reservation and the publication."""
    fleet.repository.before_commit = lambda: setattr(fleet.repository, "before_commit", action)


def test_who_loses_the_race_for_a_number_finds_the_work_done(fleet: PublishedFleet) -> None:
    plan = fleet.plan().digest
    fleet.repository.before_commit = lambda: rival(fleet)
    outcome = fleet.publish(plan)
    assert (outcome.kind, outcome.generation) == ("unchanged", 2)
    assert [number for number, _ in fleet.generations()] == [1, 2]
    assert fleet.verify().generation == 2


def test_who_loses_it_after_reserving_burns_the_number(fleet: PublishedFleet) -> None:
    plan = fleet.plan().digest
    before_second_commit(fleet, lambda: rival(fleet))
    assert fleet.publish(plan).kind == "unchanged"
    assert [number for number, _ in fleet.generations()] == [1, 3]
    assert fleet.verify().generation == 3


def test_who_loses_it_to_another_change_publishes_after_it(fleet: PublishedFleet) -> None:
    def overtake() -> None:
        rival(fleet)
        fleet.edit(PLACEMENT, "1.1.0", "1.2.0")

    fleet.repository.before_commit = overtake
    outcome = fleet.publish(unreviewed=True)
    assert (outcome.kind, outcome.generation) == ("published", 3)
    numbers = [number for number, _ in fleet.generations()]
    assert numbers == sorted(set(numbers)) == [1, 2, 3]


def test_a_number_reserved_before_a_crash_is_burned(fleet: PublishedFleet) -> None:
    plan, before = fleet.plan().digest, fleet.verify()
    before_second_commit(fleet, cut)
    with pytest.raises(PowerCutError):
        fleet.publish(plan)
    assert fleet.verify().generation == before.generation, "devices still believe what was there"
    assert fleet.publish(plan).generation == 3
    assert [number for number, _ in fleet.generations()] == [1, 3]
    assert fleet.verify().generation == 3


def test_a_crash_of_the_very_first_publication_is_survived(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    before_second_commit(fleet, cut)
    with pytest.raises(PowerCutError):
        fleet.publish(unreviewed=True)
    assert fleet.publish(unreviewed=True).generation == 2
    assert fleet.verify().devices == 12


def test_a_crash_before_the_reservation_leaves_nothing(fleet: PublishedFleet) -> None:
    before = fleet.refs()
    fleet.repository.before_commit = cut
    with pytest.raises(PowerCutError):
        fleet.publish(unreviewed=True)
    assert fleet.refs() == before


def test_who_loses_every_race_says_so(fleet: PublishedFleet) -> None:
    before = fleet.refs()
    stubborn = replace(fleet.publisher, repository=StubbornRepository(fleet.folder))
    with pytest.raises(TransientError, match="5 races in a row"):
        publish(stubborn, Approval(unreviewed=True), fleet.now)
    assert fleet.refs() == before
