"""Attacks on a published branch that `ringtide verify` must refuse, each leaving the repository as it was.

The attacker has taken the Git host, and where a test says so, also the online TUF keys or the statement key.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import device_ids, fleet_files
from fakes.published_fleet import PublishedFleet, custody_keys, unpublished_fleet
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.bundle import write_bundle
from ringtide_contract.canonical import encode
from ringtide_contract.envelope import IN_TOTO, seal
from ringtide_contract.errors import TrustError
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.keys import PrivateKey, key_hint
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.statement import Source
from ringtide_contract.tree import HEAD_PATH, QUARANTINE_PATH
from ringtide_engine.adapters.tuf_reader import TufReader
from ringtide_engine.compile import compile_tree
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.publication import PLAN_RECORD, POLICY_RECORD, CompiledTree
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.published import is_tuf, tree_files
from ringtide_engine.workflows.recompile import content_digest
from ringtide_engine.workflows.verify import verify

QUARANTINED = {
    "quarantine/digits-1.2.0.yaml": b"""\
apiVersion: ringtide/v1
kind: QuarantineEntry
subject: release
model: digits
release: "1.2.0"
graphs: ["%s"]
reason: it saw eights
"""
    % (b"7" * 64)
}
PLACEMENT = "placements/digits-everywhere.yaml"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> PublishedFleet:
    """Return a published fleet with a rollout to come and a release in quarantine."""
    fleet = unpublished_fleet(tmp_path_factory.mktemp("us"), {**fleet_files(rollout="1.1.0"), **QUARANTINED})
    fleet.publisher = replace(fleet.publisher, replay=lambda *_: None)  # the quarantine is not what is tested here
    fleet.publish(unreviewed=True)
    return fleet


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> PublishedFleet:
    """Return another fleet of the same name, with keys of its own."""
    fleet = unpublished_fleet(tmp_path_factory.mktemp("them"), fleet_files(), owner="stranger")
    fleet.publish(unreviewed=True)
    return fleet


@pytest.fixture
def fleet(original: PublishedFleet, tmp_path: Path) -> PublishedFleet:
    """Return a copy to attack, which passes before."""
    copy = original.copy(tmp_path)
    assert copy.verify(recompile=False).devices == 12
    return copy


def refused(
    fleet: PublishedFleet, *, root: bytes | None = None, floor: Floor = GROUND, recompile: bool = True
) -> tuple[str, str]:
    """Check that verify refuses, and changes nothing; return the rule and the message."""
    before = fleet.refs()
    with pytest.raises(TrustError) as caught:
        fleet.verify(root=root, floor=floor, recompile=recompile)
    assert fleet.refs() == before
    return caught.value.rule, str(caught.value)


def first(fleet: PublishedFleet, folder: str) -> str:
    return next(path for path in sorted(fleet.files) if path.startswith(folder))


def manifest(fleet: PublishedFleet, text: str) -> str:
    """Return the path of the first manifest that says `text`."""
    return next(
        path for path in sorted(fleet.files) if path.startswith("manifests/") and text in str(fleet.files[path])
    )


def changed(content: bytes, edit: Callable[[dict[str, object]], None]) -> bytes:
    data = json.loads(content)
    edit(data)
    return encode(data)


def compiled(files: Mapping[str, bytes]) -> CompiledTree:
    state = load_desired(files).state
    assert state is not None
    return compile_tree(state, resolve(state), None)


def is_run_by(fleet: PublishedFleet, path: str, hardware: str) -> bool:
    data = json.loads(fleet.files[path])
    return (data["hardwareClass"], data["release"]) == (hardware, "1.0.0")


def forge(
    attacked: PublishedFleet, tree: CompiledTree | None = None, *, key: PrivateKey | None = None, **claims: object
) -> None:
    """Publish as a thief of the online TUF keys and of `key`, by default the statement key."""
    key = custody_keys("us")["statement"] if key is None else key
    last = attacked.published
    tree = CompiledTree(files=tree_files(last.files), head=last.head) if tree is None else tree
    facts = {
        "generation": last.publication.generation + 1,
        "head": sha256(tree.files[HEAD_PATH]),
        "root": tree.head.root,
        "size": tree.head.size,
    }
    statement = replace(last.publication, **{**facts, **claims})  # type: ignore[arg-type]
    bundle = write_bundle(seal(key, IN_TOTO, statement.encode()), key_hint(key.public_key()))
    metadata = attacked.publisher.tuf.metadata(
        previous={path: content for path, content in last.files.items() if is_tuf(path)},
        trust=attacked.trust,
        bundle=bundle,
        now=attacked.now,
        timestamp_lifetime=timedelta(days=7),
    )
    kept = {path: last.files[path] for path in (PLAN_RECORD, POLICY_RECORD)}
    made = {**tree.files, **metadata, **kept}
    attacked.tamper(lambda files: {**dict.fromkeys(files), **made})


# The files.


class TestTamperedFiles:
    """The attacker owns the Git host and no key."""

    def test_tampered_manifest(self, fleet: PublishedFleet) -> None:
        path = manifest(fleet, '"1.0.0"')
        fleet.tamper(lambda files: {path: changed(files[path], lambda data: data.update(attempt=1))})
        assert refused(fleet)[0] == "ACCEPT-12"

    def test_tampered_manifest_that_no_device_runs_yet(self, fleet: PublishedFleet) -> None:
        path = manifest(fleet, '"1.1.0"')
        fleet.tamper(lambda files: {path: changed(files[path], lambda data: data.update(attempt=1))})
        assert refused(fleet, recompile=False)[0] == "VERIFY-MANIFEST"

    def test_removed_manifest_that_no_device_runs_yet(self, fleet: PublishedFleet) -> None:
        path = manifest(fleet, '"1.1.0"')
        fleet.tamper(lambda _: {path: None})
        assert refused(fleet) == ("VERIFY-TREE", f"{path} is not what the source compiles to [VERIFY-TREE]")

    def test_tampered_class_file(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "classes/")
        fleet.tamper(lambda files: {path: changed(files[path], lambda data: data.update(stable=None))})
        assert refused(fleet)[0] == "ACCEPT-11"

    def test_tampered_catalog(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "catalog/")
        fleet.tamper(lambda files: {path: changed(files[path], lambda data: data["classes"].clear())})  # type: ignore[attr-defined]
        assert refused(fleet)[0] == "TREE-PROOF"

    def test_tampered_index_shard(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "index/")

        def hold(data: dict[str, object]) -> None:
            data["devices"][device_ids()[0]]["state"] = "held"  # type: ignore[index]

        fleet.tamper(lambda files: {path: changed(files[path], hold)})
        assert refused(fleet)[0] == "TREE-PROOF"

    def test_device_dropped_from_the_index(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "index/")
        fleet.tamper(lambda files: {path: changed(files[path], lambda data: data["devices"].clear())})  # type: ignore[attr-defined]
        assert refused(fleet, recompile=False)[0] == "VERIFY-LEAVES", "nobody is left to walk into the lie"

    def test_index_shard_that_is_no_document(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "index/")
        fleet.tamper(lambda _: {path: b"[]"})
        assert refused(fleet)[0] == "ACCEPT-09"

    def test_quarantine_removed(self, fleet: PublishedFleet) -> None:
        fleet.tamper(lambda _: {QUARANTINE_PATH: None})
        rule, message = refused(fleet)
        assert rule == "VERIFY-FILES"
        assert QUARANTINE_PATH in message

    def test_quarantine_emptied(self, fleet: PublishedFleet) -> None:
        assert Quarantine.decode(fleet.files[QUARANTINE_PATH]).entries
        fleet.tamper(lambda _: {QUARANTINE_PATH: Quarantine(entries=()).encode()})
        assert refused(fleet)[0] == "TREE-PROOF"

    def test_tampered_tile(self, fleet: PublishedFleet) -> None:
        path = first(fleet, "tiles/0/")
        fleet.tamper(lambda files: {path: files[path][:-32] + bytes(32)})
        assert refused(fleet)[0] == "TREE-PROOF"

    def test_tampered_head(self, fleet: PublishedFleet) -> None:
        fleet.tamper(lambda files: {HEAD_PATH: changed(files[HEAD_PATH], lambda data: data.update(fleet="museum"))})
        assert refused(fleet)[0] == "ACCEPT-08"

    def test_oversized_file(self, fleet: PublishedFleet) -> None:
        path = manifest(fleet, '"1.0.0"')
        fleet.tamper(lambda files: {path: files[path] + b" " * (1 << 20)})
        rule, message = refused(fleet)
        assert rule == "VERIFY-FILES"
        assert "at most" in message

    def test_file_beside_the_signed_ones(self, fleet: PublishedFleet) -> None:
        fleet.tamper(lambda _: {"classes/00/install.sh": b"#!/bin/sh"})
        assert refused(fleet)[0] == "VERIFY-TREE"

    @pytest.mark.parametrize("record", [PLAN_RECORD, POLICY_RECORD])
    @pytest.mark.parametrize("content", [b"{}", None], ids=["swapped", "removed"])
    def test_plan_record_swapped(self, fleet: PublishedFleet, record: str, content: bytes | None) -> None:
        fleet.tamper(lambda _: {record: content})
        rule, message = refused(fleet)
        assert rule == "VERIFY-RECORDS"
        assert record in message


# The signatures.


class TestForgedSignatures:
    """The attacker signs with keys that are not the fleet's, or not all of them."""

    def test_bundle_by_another_key(self, fleet: PublishedFleet) -> None:
        forge(fleet, key=custody_keys("stranger")["statement"])
        assert refused(fleet)[0] == "BUNDLE-KEY"

    def test_bundle_swapped_without_the_tuf_keys(self, fleet: PublishedFleet, stranger: PublishedFleet) -> None:
        path = first(fleet, "targets/release/")
        fleet.tamper(lambda _: {path: stranger.published.bundle})
        assert refused(fleet)[0] == "TUF-REFUSED"

    def test_trust_policy_swapped(self, fleet: PublishedFleet, stranger: PublishedFleet) -> None:
        policy = next(path for path in fleet.files if path.endswith("trust-policy.json"))
        fleet.tamper(lambda _: {policy: stranger.trust["trust-policy.json"]})
        assert refused(fleet)[0] == "TUF-REFUSED"

    def test_timestamp_by_another_key(self, fleet: PublishedFleet, stranger: PublishedFleet) -> None:
        fleet.tamper(lambda _: {"metadata/timestamp.json": stranger.files["metadata/timestamp.json"]})
        assert refused(fleet)[0] == "TUF-REFUSED"

    def test_another_fleets_publication(self, fleet: PublishedFleet, stranger: PublishedFleet) -> None:
        fleet.tamper(lambda files: {**dict.fromkeys(files), **stranger.files})
        assert refused(fleet)[0] == "TUF-ROOT"

    def test_another_fleets_publication_under_our_first_root(
        self, fleet: PublishedFleet, stranger: PublishedFleet
    ) -> None:
        mixed = {**dict.fromkeys(fleet.files), **stranger.files, "metadata/1.root.json": fleet.root}
        fleet.tamper(lambda _: mixed)
        assert refused(fleet)[0] == "TUF-REFUSED"

    def test_another_fleets_statement_by_our_own_keys(self, fleet: PublishedFleet) -> None:
        forge(fleet, fleet="museum")
        assert refused(fleet)[0] == "ACCEPT-03"

    def test_another_fleets_tree_by_our_own_keys(self, fleet: PublishedFleet) -> None:
        files = fleet_files()
        files["fleet.yaml"] = files["fleet.yaml"].replace(b"name: harbour", b"name: museum")
        forge(fleet, compiled(files))
        assert refused(fleet)[0] == "ACCEPT-08"

    def test_another_epoch(self, fleet: PublishedFleet) -> None:
        forge(fleet, epoch=2)
        assert refused(fleet)[0] == "ACCEPT-04"

    def test_unknown_root(self, fleet: PublishedFleet, stranger: PublishedFleet) -> None:
        assert refused(fleet, root=stranger.root)[0] == "TUF-ROOT"

    @pytest.mark.parametrize("root", [b"", b"{}", b"not JSON"], ids=str)
    def test_root_that_is_none(self, fleet: PublishedFleet, root: bytes) -> None:
        assert refused(fleet, root=root)[0] == "TUF-ROOT"

    def test_targets_passed_off_as_the_root(self, fleet: PublishedFleet) -> None:
        assert refused(fleet, root=fleet.trust["1.targets.json"])[0] == "TUF-ROOT"


# Time.


class TestOldTruths:
    """Everything is honestly signed, and no longer true."""

    def test_older_publication_replayed(self, fleet: PublishedFleet) -> None:
        old = dict(fleet.files)
        fleet.later(5 * DAY).publish(refresh=True)
        floor = fleet.verify().floor
        assert floor.generation == 2
        fleet.tamper(lambda files: {**dict.fromkeys(files), **old})
        rule, message = refused(fleet, floor=floor)
        assert rule == "ACCEPT-05"
        assert "1.1 is older than 1.2" in message

    def test_older_statement_under_new_metadata(self, fleet: PublishedFleet) -> None:
        old = fleet.published
        fleet.later(5 * DAY).publish(refresh=True)
        floor = fleet.verify().floor
        forge(fleet, **{name: getattr(old.publication, name) for name in ("generation", "issued_at", "not_after")})
        assert refused(fleet, floor=floor)[0] == "ACCEPT-05"

    def test_second_statement_of_one_generation(self, fleet: PublishedFleet) -> None:
        floor = fleet.verify().floor
        forge(fleet, generation=1, not_after=fleet.now + 13 * DAY)
        assert refused(fleet, floor=floor)[0] == "ACCEPT-06"

    def test_timestamp_expired(self, fleet: PublishedFleet) -> None:
        fleet.later(7 * DAY - timedelta(seconds=1)).verify()
        assert refused(fleet.later(timedelta(seconds=2)))[0] == "TUF-EXPIRED"

    def test_statement_expired_under_a_fresh_timestamp(self, fleet: PublishedFleet) -> None:
        forge(fleet, not_after=fleet.now - DAY)
        assert refused(fleet)[0] == "TUF-EXPIRED"

    def test_old_snapshot_under_a_new_timestamp(self, fleet: PublishedFleet) -> None:
        old = fleet.files["metadata/1.snapshot.json"]
        fleet.later(5 * DAY).publish(refresh=True)
        fleet.tamper(lambda _: {"metadata/2.snapshot.json": old})
        assert refused(fleet)[0] == "TUF-REFUSED"


# The source.


class TestLyingPublisher:
    """Who publishes has every online key, and signs something else than the reviewed source says."""

    def test_recompiled_tree_differs(self, fleet: PublishedFleet) -> None:
        evil = fleet.repository.files(fleet.source)
        evil = {**evil, PLACEMENT: evil[PLACEMENT].replace(b"1.0.0", b"1.1.0")}
        forge(fleet, compiled(evil))
        assert fleet.verify(recompile=False).recompiled is None, "for a device alone there is nothing to see"
        rule, message = refused(fleet)
        assert rule == "RECOMPILE-TREE"
        assert fleet.source in message

    def test_source_whose_files_are_others(self, fleet: PublishedFleet) -> None:
        forge(fleet, source=Source(commit=fleet.source, content_digest=Digest("0" * 64)))
        assert refused(fleet)[0] == "RECOMPILE-SOURCE"

    def test_source_that_was_never_merged(self, fleet: PublishedFleet) -> None:
        evil = {**fleet.repository.files(fleet.source)}
        evil[PLACEMENT] = evil[PLACEMENT].replace(b"1.0.0", b"1.1.0")
        commit = fleet.repository.commit("feature", parent=None, changes=evil, message="x", at=fleet.now)
        forge(fleet, compiled(evil), source=Source(commit=commit, content_digest=content_digest(evil)))
        rule, message = refused(fleet)
        assert rule == "VERIFY-SOURCE"
        assert "not in the history of main" in message

    def test_source_named_by_a_branch(self, fleet: PublishedFleet) -> None:
        forge(fleet, source=replace(fleet.published.publication.source, commit="main"))
        assert refused(fleet)[0] == "VERIFY-SOURCE"

    def test_source_that_does_not_compile(self, fleet: PublishedFleet) -> None:
        commit = fleet.change({"fleet.yaml": b"kind: Fleet\n"})
        files = fleet.repository.files(commit)
        forge(fleet, source=Source(commit=commit, content_digest=content_digest(files)))
        assert refused(fleet)[0] == "VERIFY-SOURCE"

    def test_bundle_that_others_read_differently(self, fleet: PublishedFleet) -> None:
        class Contrarian:
            def payload(self, bundle: bytes) -> bytes:
                return b"{}"

        before = fleet.refs()
        with pytest.raises(TrustError) as caught:
            verify(fleet.repository, root=fleet.root, reader=TufReader(), second_opinion=Contrarian(), now=fleet.now)
        assert caught.value.rule == "VERIFY-OPINION"
        assert fleet.refs() == before


def test_naming_one_device_does_not_hide_a_lie_told_to_another(fleet: PublishedFleet) -> None:
    path = next(each for each in fleet.files if each.startswith("manifests/") and is_run_by(fleet, each, "edge-s"))
    fleet.tamper(lambda files: {path: files[path] + b" "})
    before = fleet.refs()
    with pytest.raises(TrustError) as caught:
        fleet.verify(devices=[DeviceId("edge-m-0002")], recompile=False)
    assert caught.value.rule == "VERIFY-MANIFEST"
    assert fleet.refs() == before
