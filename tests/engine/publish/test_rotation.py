"""Key ceremonies: a device follows from the root it was enrolled with, whichever keys come after."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, MetaFile, Timestamp

from fakes.published_fleet import PublishedFleet, custody, custody_keys, key_folder
from ringtide_contract.errors import InputError, TrustError
from ringtide_engine.adapters.key_folders import FolderStatementSigner
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.model.publication import PLAN_RECORD


def sign_as(fleet: PublishedFleet, folder: Path, owner: str) -> None:
    signer = FolderStatementSigner(key_folder(folder / f"statement of {owner}", owner, "statement"))
    fleet.publisher = replace(fleet.publisher, statement=signer)


def statement_keys(*owners: str) -> tuple[object, ...]:
    return tuple(custody_keys(owner)["statement"].public_key() for owner in owners)


def test_a_second_root_is_published_and_devices_follow_from_the_first(fleet: PublishedFleet, tmp_path: Path) -> None:
    made = fleet.establish("new", root=custody("root", "new", signs_too="us"), statement=statement_keys("us"))
    assert set(made) == {"2.root.json", "2.targets.json", "trust-policy.json"}
    fleet.publisher = replace(fleet.publisher, tuf=TufCustody(key_folder(tmp_path / "new", "new", "tuf")))
    records = fleet.files[PLAN_RECORD]
    outcome = fleet.publish()
    assert (outcome.kind, outcome.generation) == ("refreshed", 1)
    assert {"metadata/1.root.json", "metadata/2.root.json"} <= set(fleet.files)
    assert fleet.files[PLAN_RECORD] == records, "the statement is the old one, and so are the records it names"
    for root in (fleet.root, made["2.root.json"]):
        assert fleet.verify(root=root).recompiled
    assert fleet.publish().kind == "unchanged"
    assert fleet.publish(refresh=True).kind == "refreshed"


def test_a_root_signed_by_its_own_keys_alone_is_no_successor(fleet: PublishedFleet) -> None:
    with pytest.raises(InputError, match="keys of the previous root must sign"):
        fleet.establish("new")


def test_one_statement_key_takes_over_from_another(fleet: PublishedFleet, tmp_path: Path) -> None:
    fleet.establish(root=None, online=None, statement=statement_keys("us", "new"))
    assert fleet.publish().kind == "refreshed"
    assert fleet.verify().generation == 1
    sign_as(fleet, tmp_path, "new")
    assert fleet.publish(refresh=True).generation == 2
    assert fleet.verify().recompiled
    fleet.establish(root=None, online=None, statement=statement_keys("new"))
    assert fleet.publish().kind == "refreshed"
    assert fleet.verify().generation == 2


def test_a_raised_epoch_leaves_a_stolen_key_behind(fleet: PublishedFleet, tmp_path: Path) -> None:
    old = fleet.verify()
    fleet.establish(root=None, online=None, statement=statement_keys("new"), epoch=2)
    sign_as(fleet, tmp_path, "new")
    outcome = fleet.publish(unreviewed=True)
    assert (outcome.kind, outcome.generation) == ("published", 1)
    found = fleet.verify(floor=old.floor)
    assert (found.epoch, found.generation) == (2, 1)
    assert fleet.published.publication.previous is None


def test_the_epoch_never_goes_down(fleet: PublishedFleet) -> None:
    fleet.establish(root=None, online=None, epoch=2)
    with pytest.raises(InputError, match="never goes down"):
        fleet.establish(root=None, online=None, epoch=1)


def test_metadata_numbers_that_somebody_pushed_up_are_not_continued(fleet: PublishedFleet) -> None:
    key = custody_keys("stranger")["timestamp"]
    timestamp = Metadata(Timestamp(version=2000, expires=fleet.now + timedelta(days=7), snapshot_meta=MetaFile(1)))
    timestamp.sign(CryptoSigner(key, SSlibKey.from_crypto(key.public_key())))
    fleet.tamper(lambda _: {"metadata/timestamp.json": timestamp.to_bytes()})
    before = fleet.refs()
    with pytest.raises(TrustError) as refused:
        fleet.publish(refresh=True)
    assert refused.value.rule == "CUSTODY-PREVIOUS"
    assert fleet.refs() == before
