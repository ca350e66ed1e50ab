"""Verify walks what is published as devices do, and says what it could not look at."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import device_ids, fleet_files
from fakes.fleet_pair import RacingRepository
from fakes.published_fleet import START, PublishedFleet, published_fleet, unpublished_fleet
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import DeviceId

DEVICES = 120
"""Enough for several index shards."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> PublishedFleet:
    """Return a published fleet; tests only read it."""
    return published_fleet(tmp_path_factory.mktemp("fleet"), DEVICES, rollout="1.1.0")


def test_an_honest_publication_passes_for_every_device(fleet: PublishedFleet) -> None:
    before = fleet.refs()
    found = fleet.verify()
    assert (found.fleet, found.epoch, found.generation, found.devices) == ("harbour", 1, 1, DEVICES)
    assert (found.commit, found.source, found.root) == (fleet.commit, fleet.source, fleet.published.head.root)
    assert (found.recompiled, found.notes) == (True, ())
    assert fleet.refs() == before


def test_it_says_when_devices_stop_installing(fleet: PublishedFleet) -> None:
    assert fleet.verify().expires == START + timedelta(days=7), "the timestamp goes before the statement"


def test_devices_may_be_named(fleet: PublishedFleet) -> None:
    names = [DeviceId(name) for name in device_ids(3)]
    assert fleet.verify(devices=[*names, names[0]]).devices == 3


def test_a_device_that_is_not_enrolled_is_refused(fleet: PublishedFleet) -> None:
    with pytest.raises(TrustError, match="not enrolled") as refused:
        fleet.verify(devices=[DeviceId("edge-s-9999")])
    assert refused.value.rule == "ACCEPT-09"


def test_no_device_at_all_is_a_mistake(fleet: PublishedFleet) -> None:
    with pytest.raises(InputError, match="at least one device"):
        fleet.verify(devices=[])


def test_without_recompiling_it_does_not_say_that_it_did(fleet: PublishedFleet) -> None:
    assert fleet.verify(recompile=False).recompiled is None


def test_the_floor_of_one_run_serves_the_next(fleet: PublishedFleet) -> None:
    first = fleet.verify()
    assert fleet.verify(floor=first.floor) == first


def test_a_clone_verifies_like_the_origin(fleet: PublishedFleet, tmp_path: Path) -> None:
    repository = RacingRepository.clone(fleet.folder.as_uri(), tmp_path / "clone.git")
    assert replace(fleet, repository=repository).verify() == fleet.verify()


def test_a_mirror_without_the_source_says_that_nothing_was_compiled(fleet: PublishedFleet, tmp_path: Path) -> None:
    mirror = unpublished_fleet(tmp_path, {"README.md": b"a mirror of `published` alone"})
    files = dict(fleet.files)
    mirror.repository.commit("published", parent=None, changes=files, message="Mirror", at=START)
    mirror.root = fleet.root
    found = mirror.verify()
    assert found.recompiled is None
    assert found.notes == (f"the source {fleet.source} is not in this repository, so nothing was compiled again",)


def test_nothing_published_is_no_publication(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    with pytest.raises(InputError, match="no branch published"):
        fleet.verify()
