"""Refresh: the timestamp every time, the statement after a third of its life, and the tree never."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.published_fleet import PublishedFleet, unpublished_fleet
from ringtide_contract.errors import InputError, TrustError
from ringtide_engine.model.publication import PLAN_RECORD, POLICY_RECORD
from ringtide_engine.workflows import recompile
from ringtide_engine.workflows.published import tree_files

THIRD = timedelta(days=14) / 3


def test_a_young_statement_stays_and_the_timestamp_alone_is_new(fleet: PublishedFleet) -> None:
    before, expires = fleet.commit, fleet.verify().expires
    outcome = fleet.later(THIRD - timedelta(seconds=1)).publish(refresh=True)
    assert (outcome.kind, outcome.generation) == ("refreshed", 1)
    assert fleet.repository.changed_paths(before, fleet.commit) == ("metadata/timestamp.json",)
    found = fleet.verify()
    assert found.generation == 1
    assert found.expires == expires + (THIRD - timedelta(seconds=1))


def test_a_statement_is_renewed_after_a_third_of_its_life(fleet: PublishedFleet) -> None:
    first = fleet.published
    outcome = fleet.later(THIRD).publish(refresh=True)
    assert (outcome.kind, outcome.generation) == ("published", 2)
    second = fleet.published
    assert tree_files(second.files) == tree_files(first.files)
    assert second.publication.source == first.publication.source
    assert second.publication.not_after - first.publication.not_after == THIRD
    assert second.publication.previous is not None
    assert second.publication.previous.sha256 == first.payload
    assert fleet.verify().recompiled


def test_publish_renews_a_statement_that_is_due_too(fleet: PublishedFleet) -> None:
    assert fleet.later(THIRD).publish().generation == 2
    assert fleet.publish().kind == "unchanged"


def test_refresh_publishes_nothing_that_waits_on_main(fleet: PublishedFleet) -> None:
    source = fleet.source
    fleet.edit("placements/digits-everywhere.yaml", "1.0.0", "1.1.0")
    assert fleet.later(THIRD).publish(refresh=True).source == source
    assert "1.1.0" not in {each["release"] for each in manifests(fleet)}


def test_a_fleet_kept_fresh_never_expires(fleet: PublishedFleet) -> None:
    for _ in range(8):
        fleet.later(timedelta(days=4)).publish(refresh=True)
        assert fleet.verify().expires - fleet.now == timedelta(days=7)
    assert [number for number, _ in fleet.generations()] == [1, 2, 3, 4, 5]


def test_an_expired_fleet_comes_back(fleet: PublishedFleet) -> None:
    fleet.later(timedelta(days=60))
    with pytest.raises(TrustError) as refused:
        fleet.verify()
    assert refused.value.rule == "TUF-EXPIRED"
    assert fleet.publish(refresh=True).generation == 2
    assert fleet.verify().generation == 2


def test_a_source_that_no_longer_compiles_to_the_tree_is_not_signed_again(
    fleet: PublishedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = recompile.load_desired
    swapped = fleet_files(release="1.1.0")
    monkeypatch.setattr(recompile, "load_desired", lambda _: honest(swapped))
    before = fleet.refs()
    with pytest.raises(TrustError) as refused:
        fleet.later(THIRD).publish(refresh=True)
    assert refused.value.rule == "RECOMPILE-TREE"
    assert fleet.refs() == before


@pytest.mark.parametrize("record", [PLAN_RECORD, POLICY_RECORD])
def test_swapped_records_are_not_signed_again(fleet: PublishedFleet, record: str) -> None:
    fleet.tamper(lambda _: {record: b"{}"})
    before = fleet.refs()
    with pytest.raises(TrustError) as refused:
        fleet.later(THIRD).publish(refresh=True)
    assert refused.value.rule == "PUBLISH-RECORDS"
    assert fleet.refs() == before


def test_there_is_nothing_to_refresh_before_the_first_publication(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    with pytest.raises(InputError, match="publish without --refresh first"):
        fleet.publish(refresh=True)


def manifests(fleet: PublishedFleet) -> list[dict[str, str]]:
    return [json.loads(content) for path, content in fleet.files.items() if path.startswith("manifests/")]
