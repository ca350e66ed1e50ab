"""Publish: the same source gives the same bytes, and nothing unreviewed or unproven reaches a device."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import RacingRepository
from fakes.published_fleet import PublishedFleet, ceremony, custody_keys, key_folder, unpublished_fleet
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_contract.keys import key_hint
from ringtide_engine.adapters.key_folders import FolderStatementSigner
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.publication import GENERATION_RECORD, PLAN_RECORD
from ringtide_engine.workflows.establish_trust import establish_trust
from ringtide_engine.workflows.published import tree_files

PLACEMENT = "placements/digits-everywhere.yaml"
DAY = timedelta(days=1)


def refused(fleet: PublishedFleet, rule: str, plan: str | None = None, **options: bool) -> None:
    """Check that publishing is refused by `rule`, and that nothing is written."""
    before = fleet.refs()
    with pytest.raises(TrustError) as caught:
        fleet.publish(plan, **options)
    assert caught.value.rule == rule
    assert fleet.refs() == before


# The same again.


def test_the_same_source_gives_the_same_bytes_everywhere(fleet: PublishedFleet, tmp_path: Path) -> None:
    command = ["git", "clone", "-q", "--bare", "--single-branch", "-b", "main"]
    elsewhere = tmp_path / "elsewhere.git"
    subprocess.run([*command, str(fleet.folder), str(elsewhere)], check=True)
    subprocess.run(["git", "-C", str(elsewhere), "remote", "remove", "origin"], check=True)
    copy = RacingRepository(elsewhere)
    other = replace(fleet, repository=copy, publisher=replace(fleet.publisher, repository=copy))
    other.publish(unreviewed=True)
    assert tree_files(other.files) == tree_files(fleet.files)
    assert other.published.payload == fleet.published.payload
    assert other.files[PLAN_RECORD] == fleet.files[PLAN_RECORD]


def test_an_unchanged_source_makes_no_commit(fleet: PublishedFleet) -> None:
    before = fleet.refs()
    outcome = fleet.later(DAY).publish()
    assert (outcome.kind, outcome.generation, outcome.commit) == ("unchanged", 1, None)
    assert fleet.refs() == before


def test_a_source_that_compiles_to_the_same_tree_makes_no_commit(fleet: PublishedFleet) -> None:
    fleet.change({"README.md": b"for people"})
    before = fleet.refs()
    assert fleet.publish().kind == "unchanged"
    assert fleet.refs() == before


def test_a_dry_run_says_what_would_happen_and_writes_nothing(fleet: PublishedFleet) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    before = fleet.refs()
    outcome = fleet.publish(fleet.plan().digest, dry_run=True)
    assert (outcome.kind, outcome.generation, outcome.commit) == ("published", 1, None)
    assert fleet.refs() == before


def test_a_file_spoilt_on_the_branch_is_written_anew(fleet: PublishedFleet) -> None:
    path = next(path for path in fleet.files if path.startswith("manifests/"))
    honest = fleet.files[path]
    fleet.tamper(lambda _: {path: b"{}", "index/ff.json": b"{}"})
    outcome = fleet.publish()
    assert (outcome.kind, outcome.generation) == ("refreshed", 1)
    assert fleet.files[path] == honest
    assert "index/ff.json" not in fleet.files
    assert fleet.verify().recompiled


# What was reviewed.


def test_a_reviewed_change_is_the_next_generation(fleet: PublishedFleet) -> None:
    first = fleet.published
    source = fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    plan = fleet.plan()
    outcome = fleet.publish(plan.digest)
    assert (outcome.kind, outcome.generation, outcome.source, outcome.plan) == ("published", 2, source, plan.digest)
    publication = fleet.published.publication
    assert publication.plan == plan.digest == sha256(fleet.files[PLAN_RECORD])
    assert publication.previous is not None
    assert (publication.previous.generation, publication.previous.sha256) == (1, first.payload)
    assert fleet.verify().generation == 2


def test_another_plan_than_the_reviewed_one_is_refused(fleet: PublishedFleet) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    reviewed = fleet.plan().digest
    fleet.edit(PLACEMENT, "1.1.0", "1.2.0")
    refused(fleet, "PUBLISH-PLAN", reviewed)
    refused(fleet, "PUBLISH-PLAN", "0" * 64, unreviewed=True)


def test_a_change_that_nobody_reviewed_is_not_published(fleet: PublishedFleet) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    before = fleet.refs()
    with pytest.raises(InputError, match=fleet.plan().digest):
        fleet.publish()
    assert fleet.refs() == before


def test_publishing_a_reviewed_plan_twice_changes_nothing(fleet: PublishedFleet) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    reviewed = fleet.plan().digest
    fleet.publish(reviewed)
    assert fleet.publish(reviewed).kind == "unchanged"


def test_where_people_have_changed_nothing_since_no_approval_is_held_against_the_judges_verdicts(
    fleet: PublishedFleet,
) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    reviewed = fleet.plan().digest
    fleet.publish(reviewed)
    fleet.change({"README.md": b"for people"})
    assert fleet.plan().digest != reviewed
    assert fleet.publish(reviewed).kind == "unchanged"
    assert fleet.publish("0" * 64).kind == "unchanged"


def test_a_change_with_errors_is_not_published(fleet: PublishedFleet) -> None:
    fleet.edit(PLACEMENT, "1.0.0", "9.9.9")
    before = fleet.refs()
    with pytest.raises(FindingsError):
        fleet.publish(unreviewed=True)
    assert fleet.refs() == before


def test_a_source_that_does_not_follow_the_published_one_is_refused(fleet: PublishedFleet) -> None:
    first = list(fleet.repository.history(fleet.source))[-1].id
    files = {f"trust/{name}": content for name, content in fleet.trust.items()}
    rewound = fleet.repository.commit(
        "other", parent=None, changes={**fleet_files(), **files}, message="Begin again", at=fleet.now
    )
    command = ["git", "-C", str(fleet.folder), "update-ref", "refs/heads/main"]
    subprocess.run([*command, rewound], check=True)
    refused(fleet, "PUBLISH-SOURCE", unreviewed=True)
    refused(fleet, "PUBLISH-SOURCE", refresh=True)
    subprocess.run([*command, first], check=True)
    fleet.change(files)
    refused(fleet, "PUBLISH-SOURCE", unreviewed=True)


# Keys.


def test_nothing_is_published_before_trust_is_established(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    fleet.change({f"trust/{name}": None for name in fleet.trust})
    with pytest.raises(InputError, match="ringtide key establish"):
        fleet.publish(unreviewed=True)
    assert fleet.repository.head("published") is None


def test_a_statement_key_that_the_trust_policy_does_not_name_is_refused(fleet: PublishedFleet, tmp_path: Path) -> None:
    stranger = FolderStatementSigner(key_folder(tmp_path / "stranger", "stranger", "statement"))
    fleet.publisher = replace(fleet.publisher, statement=stranger)
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    refused(fleet, "PUBLISH-KEY", unreviewed=True)


def test_online_keys_that_the_root_does_not_name_are_refused(fleet: PublishedFleet, tmp_path: Path) -> None:
    fleet.publisher = replace(fleet.publisher, tuf=TufCustody(key_folder(tmp_path / "stranger", "stranger", "tuf")))
    refused(fleet, "CUSTODY-KEY", refresh=True)
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    refused(fleet, "CUSTODY-KEY", unreviewed=True)


def test_wrong_online_keys_burn_no_generation_of_a_new_fleet(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    ours = fleet.publisher
    fleet.publisher = replace(ours, tuf=TufCustody(key_folder(tmp_path / "stranger", "stranger", "tuf")))
    refused(fleet, "CUSTODY-KEY", unreviewed=True)
    fleet.publisher = ours
    assert fleet.publish(unreviewed=True).generation == 1


def test_trust_of_another_fleet_is_refused(tmp_path: Path) -> None:
    fleet = unpublished_fleet(tmp_path, fleet_files())
    theirs = establish_trust({}, ceremony("us", fleet="museum"), fleet.now)
    fleet.change({f"trust/{name}": content for name, content in theirs.items()})
    refused(fleet, "PUBLISH-FLEET", unreviewed=True)


def test_what_another_key_signed_last_is_not_followed(fleet: PublishedFleet) -> None:
    stranger = custody_keys("stranger")["statement"].public_key()
    fleet.establish(statement=(stranger,))
    assert key_hint(stranger) not in fleet.published.bundle.decode()
    refused(fleet, "BUNDLE-KEY", unreviewed=True)


# A branch that is not as publish left it.


def test_a_branch_without_its_statement_is_not_taken_for_an_empty_one(fleet: PublishedFleet) -> None:
    fleet.tamper(lambda files: {path: None for path in files if path.startswith("targets/release/")})
    refused(fleet, "PUBLISHED-FORM", unreviewed=True)


@pytest.mark.parametrize("record", [b"{}", b'{"epoch":1,"reserved":9000}', b"not JSON"], ids=str)
def test_a_pushed_up_generation_is_refused(fleet: PublishedFleet, record: bytes) -> None:
    fleet.tamper(lambda _: {GENERATION_RECORD: record})
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    refused(fleet, "PUBLISHED-NUMBER", fleet.plan().digest)


def test_a_record_turned_back_gives_no_number_twice(fleet: PublishedFleet) -> None:
    fleet.tamper(lambda _: {GENERATION_RECORD: b'{"epoch":1,"reserved":0}'})
    fleet.edit(PLACEMENT, "1.0.0", "1.1.0")
    assert fleet.publish(fleet.plan().digest).generation == 2


# Telling devices.


def test_devices_are_told_after_the_commit_and_a_deaf_broker_fails_nothing(fleet: PublishedFleet) -> None:
    told: list[tuple[str, str]] = []

    class Broker:
        def hint(self, fleet: str, commit: str) -> None:
            told.append((fleet, commit))
            raise TransientError("nobody listens")

    fleet.publisher = replace(fleet.publisher, notifier=Broker())
    outcome = fleet.publish(refresh=True)
    assert told == [("harbour", fleet.commit)]
    assert outcome.hint_failed == "nobody listens"
