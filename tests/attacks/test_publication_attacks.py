"""Attacks on a publication that the contract itself must refuse, each leaving the device as it was.

The attacker owns the transport, and where a test says so, also a signing key or the compiler.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from ringtide_contract.acceptance import GROUND, Accepted, Floor, accept
from ringtide_contract.bundle import write_bundle
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import IN_TOTO, REPORT
from ringtide_contract.errors import TrustError
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.index import IndexShard
from ringtide_contract.keys import key_hint
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.statement import Publication
from ringtide_contract.tree import HEAD_PATH, class_path, leaf_hash, make_tiles, manifest_path, root_hash
from ringtide_contract.trust_policy import TrustPolicy
from vectors import samples
from vectors.cases import edit

TREE = samples.compile_tree()
STATEMENT = samples.statement_of(TREE)
BUNDLE = samples.sign_statement(STATEMENT)
TILE = "tiles/0/0000/00"
MY_SHARD, OTHER_SHARD, MY_CATALOG = "index/2.json", "index/3.json", "catalog/1.json"


@dataclass(slots=True)
class Device:
    """A device as far as trust goes: it remembers its floor and what it accepted last."""

    trust: TrustPolicy = samples.TRUST
    floor: Floor = GROUND
    accepted: Accepted | None = None

    def poll(
        self, bundle: bytes = BUNDLE, files: Mapping[str, bytes] = TREE.files, now: datetime = samples.NOW
    ) -> None:
        """Take what a source offers, or refuse it."""

        def read(path: str, limit: int) -> bytes:
            if path not in files or len(files[path]) > limit:
                raise TrustError("SOURCE", f"{path} is missing or larger than {limit} bytes")
            return files[path]

        self.accepted = accept(
            bundle,
            trust=self.trust,
            fleet=samples.FLEET,
            device=DeviceId("gate-04"),
            floor=self.floor,
            now=now,
            read=read,
        )
        self.floor = self.accepted.floor


@pytest.fixture
def device() -> Device:
    """Return a device that has accepted the honest publication."""
    honest = Device()
    honest.poll()
    return honest


def refused(device: Device, rule: str, attack: Callable[[], None]) -> str:
    """Check that an attack is refused by `rule`, changes nothing, and leaves the honest publication acceptable."""
    floor, accepted = device.floor, device.accepted
    with pytest.raises(TrustError) as caught:
        attack()
    assert caught.value.rule == rule
    assert (device.floor, device.accepted) == (floor, accepted)
    device.poll(now=samples.NOW)
    assert device.accepted == accepted
    return str(caught.value)


def signed(tree: samples.Tree, **changes: object) -> bytes:
    return samples.sign_statement(replace(samples.statement_of(tree, generation=8), **changes))  # type: ignore[arg-type]


def served(**files: bytes) -> dict[str, bytes]:
    return {**TREE.files, **files}


class TestForgery:
    """The attacker signs, or does without."""

    def test_a_publication_signed_by_another_key_is_refused(self, device: Device) -> None:
        bundle = samples.sign_statement(replace(STATEMENT, generation=8), samples.STRANGER_KEY)
        refused(device, "BUNDLE-KEY", lambda: device.poll(bundle))

    def test_a_stranger_who_names_a_trusted_key_is_refused(self, device: Device) -> None:
        sealed = samples.seal_again(samples.STRANGER_KEY, IN_TOTO, replace(STATEMENT, generation=8).encode())
        bundle = write_bundle(sealed, key_hint(samples.STATEMENT_KEY.public_key()))
        refused(device, "ENVELOPE-SIGNATURE", lambda: device.poll(bundle))

    def test_a_key_retired_from_the_trust_policy_is_refused(self, device: Device) -> None:
        second = key_hint(samples.SECOND_KEY.public_key())
        rotated = Device(trust=replace(samples.TRUST, statement_keys={second: samples.TRUST.statement_keys[second]}))
        with pytest.raises(TrustError) as caught:
            rotated.poll()
        assert caught.value.rule == "BUNDLE-KEY"
        assert rotated.floor == GROUND
        rotated.poll(samples.sign_statement(STATEMENT, samples.SECOND_KEY))
        assert rotated.floor == device.floor

    def test_a_bundle_with_a_certificate_never_falls_back_to_the_key(self, device: Device) -> None:
        materials: tuple[dict[str, object], ...] = (
            {"certificate": {"rawBytes": "MIIB"}},
            {"x509CertificateChain": {"certificates": []}},
            {**decode(BUNDLE, limit=65536)["verificationMaterial"], "certificate": {"rawBytes": "MIIB"}},
        )
        for material in materials:
            bundle = edit(BUNDLE, "verificationMaterial", material)
            message = refused(device, "BUNDLE-FORM", lambda bundle=bundle: device.poll(bundle))  # type: ignore[misc]
            assert "certificates are refused" in message

    def test_a_key_carried_in_the_bundle_is_refused(self, device: Device) -> None:
        bundle = edit(BUNDLE, "verificationMaterial/publicKey/rawBytes", "MFkw")
        refused(device, "BUNDLE-FORM", lambda: device.poll(bundle))

    def test_a_report_signed_by_the_statement_key_is_no_publication(self, device: Device) -> None:
        sealed = samples.seal_again(samples.STATEMENT_KEY, REPORT, STATEMENT.encode())
        bundle = write_bundle(sealed, key_hint(samples.STATEMENT_KEY.public_key()))
        refused(device, "ENVELOPE-TYPE", lambda: device.poll(bundle))

    def test_a_second_signature_is_refused_even_beside_a_good_one(self, device: Device) -> None:
        good_one = decode(BUNDLE, limit=65536)["dsseEnvelope"]["signatures"]
        bundle = edit(BUNDLE, "dsseEnvelope/signatures", [*good_one, {"sig": "YQ=="}])
        refused(device, "BUNDLE-FORM", lambda: device.poll(bundle))

    def test_a_member_that_stands_twice_is_refused(self, device: Device) -> None:
        bundle = BUNDLE.replace(b'{"dsseEnvelope":', b'{"dsseEnvelope":{},"dsseEnvelope":', 1)
        assert "stands twice" in refused(device, "BUNDLE-FORM", lambda: device.poll(bundle))

    @pytest.mark.parametrize(
        "change", [{"policy": sha256(b"another verdict")}, {"plan": sha256(b"another plan")}], ids=str
    )
    def test_a_policy_verdict_or_plan_swapped_after_signing_is_refused(
        self, device: Device, change: Mapping[str, Digest]
    ) -> None:
        sealed = samples.seal_again(samples.STATEMENT_KEY, IN_TOTO, STATEMENT.encode())
        swapped = replace(sealed, payload=replace(STATEMENT, **change).encode())  # type: ignore[arg-type]
        bundle = write_bundle(swapped, key_hint(samples.STATEMENT_KEY.public_key()))
        refused(device, "ENVELOPE-SIGNATURE", lambda: device.poll(bundle))


class TestReplay:
    """What is offered is honestly signed, but for others or for another time."""

    def test_a_publication_of_another_fleet_is_refused(self, device: Device) -> None:
        airport = samples.compile_tree(fleet="airport")
        refused(device, "ACCEPT-03", lambda: device.poll(signed(airport), airport.files))

    def test_a_trust_policy_of_another_fleet_is_refused(self, device: Device) -> None:
        stranger = Device(trust=replace(samples.TRUST, fleet="airport"))
        with pytest.raises(TrustError) as caught:
            stranger.poll()
        assert (caught.value.rule, stranger.floor) == ("ACCEPT-01", GROUND)

    def test_an_older_generation_is_refused(self, device: Device) -> None:
        older = samples.sign_statement(samples.statement_of(TREE, generation=6))
        assert "older than 1.7" in refused(device, "ACCEPT-05", lambda: device.poll(older))

    def test_an_older_generation_is_refused_although_its_tree_is_the_present_one(self, device: Device) -> None:
        older = samples.sign_statement(replace(STATEMENT, generation=1, previous=None))
        refused(device, "ACCEPT-05", lambda: device.poll(older))

    def test_two_statements_under_one_number_are_refused(self, device: Device) -> None:
        other = samples.compile_tree(quarantine=Quarantine(entries=()).encode())
        second = samples.sign_statement(samples.statement_of(other))
        refused(device, "ACCEPT-06", lambda: device.poll(second, other.files))

    @pytest.mark.parametrize("epoch", [2, 2**53 - 1])
    def test_an_epoch_that_the_trust_policy_does_not_name_is_refused(self, device: Device, epoch: int) -> None:
        bundle = samples.sign_statement(replace(STATEMENT, epoch=epoch, generation=8))
        refused(device, "ACCEPT-04", lambda: device.poll(bundle))

    def test_a_fleet_recovers_from_the_highest_generation_by_its_epoch(self, device: Device) -> None:
        device.poll(samples.sign_statement(replace(STATEMENT, generation=2**53 - 1)))
        with pytest.raises(TrustError) as caught:
            device.poll(samples.sign_statement(replace(STATEMENT, generation=8)))
        assert caught.value.rule == "ACCEPT-05"
        device.trust = replace(samples.TRUST, epoch=2)
        device.poll(samples.sign_statement(replace(STATEMENT, epoch=2, generation=8)))
        assert (device.floor.epoch, device.floor.generation) == (2, 8)

    def test_a_frozen_publication_is_refused_once_it_has_expired(self, device: Device) -> None:
        late = STATEMENT.not_after + timedelta(seconds=1)
        refused(device, "ACCEPT-07", lambda: device.poll(now=late))


class TestMixAndMatch:
    """Honest files of several places or generations, put together anew."""

    def test_the_files_of_an_older_generation_under_the_new_statement_are_refused(self, device: Device) -> None:
        newer = samples.compile_tree(quarantine=Quarantine(entries=()).encode())
        refused(device, "ACCEPT-08", lambda: device.poll(signed(newer), TREE.files))

    def test_the_head_of_the_new_and_the_leaves_of_the_old_are_refused(self, device: Device) -> None:
        newer = samples.compile_tree(
            devices={**samples.DEVICES, DeviceId("gate-06"): samples.DEVICES[DeviceId("gate-04")]}
        )
        mixed = served(**{HEAD_PATH: newer.files[HEAD_PATH]})
        refused(device, "TREE-PROOF", lambda: device.poll(signed(newer), mixed))

    def test_the_tiles_of_another_generation_are_refused(self, device: Device) -> None:
        newer = samples.compile_tree(quarantine=Quarantine(entries=()).encode())
        refused(device, "TREE-PROOF", lambda: device.poll(files=served(**{TILE: newer.files[TILE]})))

    def test_a_neighbours_class_file_is_refused(self, device: Device) -> None:
        mine, other = class_path(samples.ARM, "gauge"), class_path(samples.X86, "gauge")
        refused(device, "ACCEPT-11", lambda: device.poll(files=served(**{mine: TREE.files[other]})))

    def test_the_class_file_of_another_model_is_refused(self, device: Device) -> None:
        mine, other = class_path(samples.ARM, "gauge"), class_path(samples.ARM, "lamp")
        refused(device, "ACCEPT-11", lambda: device.poll(files=served(**{mine: TREE.files[other]})))

    def test_class_files_swapped_between_classes_are_refused_although_signed(self, device: Device) -> None:
        arm, x86 = (samples.ARM, "gauge"), (samples.X86, "gauge")
        files = samples.CLASS_FILES
        swapped = samples.compile_tree(class_files={**files, arm: files[x86], x86: files[arm]})
        message = refused(device, "ACCEPT-11", lambda: device.poll(signed(swapped), swapped.files))
        assert f"a class file of {samples.X86}/gauge" in message

    def test_a_manifest_swapped_for_another_is_refused(self, device: Device) -> None:
        mine = manifest_path(sha256(samples.CANDIDATE.encode()))
        refused(device, "ACCEPT-12", lambda: device.poll(files=served(**{mine: samples.STABLE.encode()})))

    def test_a_manifest_of_another_model_is_refused_although_signed(self, device: Device) -> None:
        lamp = sha256(samples.LAMP.encode())
        file = replace(samples.GAUGE_ARM, stable=lamp, rollout=None)
        tree = samples.compile_tree(class_files={**samples.CLASS_FILES, (samples.ARM, "gauge"): file.encode()})
        message = refused(device, "ACCEPT-12", lambda: device.poll(signed(tree), tree.files))
        assert "a manifest of 'lamp' in the place of 'gauge'" in message

    def test_a_leaf_moved_to_another_place_is_refused_although_its_root_is_signed(self, device: Device) -> None:
        """A tree whose hashes are right, but whose leaves stand in an order that no id leads to."""
        paths = [OTHER_SHARD, "index/1.json", MY_SHARD, "index/0.json", "catalog/0.json", MY_CATALOG, "quarantine.json"]
        paths[0], paths[2] = paths[2], paths[0]
        hashed = [leaf_hash(path, sha256(TREE.files[path])) for path in paths]
        head = replace(TREE.head, root=Digest(root_hash(hashed).hex()))
        tree = samples.Tree(files={**TREE.files, **make_tiles(hashed), HEAD_PATH: head.encode()}, head=head)
        refused(device, "TREE-PROOF", lambda: device.poll(signed(tree), tree.files))

    def test_a_neighbours_shard_in_the_place_of_ones_own_is_refused(self, device: Device) -> None:
        refused(device, "TREE-PROOF", lambda: device.poll(files=served(**{MY_SHARD: TREE.files[OTHER_SHARD]})))


class TestOmission:
    """Something that was published is left out."""

    def test_a_device_removed_from_its_shard_is_refused(self, device: Device) -> None:
        rows = {name: row for name, row in IndexShard.decode(TREE.files[MY_SHARD]).devices.items() if name != "gate-04"}
        emptied = served(**{MY_SHARD: IndexShard(devices=rows).encode()})
        refused(device, "TREE-PROOF", lambda: device.poll(files=emptied))

    def test_a_device_removed_by_the_compiler_learns_that_it_is_not_enrolled(self, device: Device) -> None:
        others = {name: row for name, row in samples.DEVICES.items() if name != "gate-04"}
        tree = samples.compile_tree(devices=others)
        message = refused(device, "ACCEPT-09", lambda: device.poll(signed(tree), tree.files))
        assert "no device 'gate-04'" in message

    def test_an_emptied_quarantine_list_is_refused(self, device: Device) -> None:
        nothing_banned = served(**{"quarantine.json": Quarantine(entries=()).encode()})
        refused(device, "TREE-PROOF", lambda: device.poll(files=nothing_banned))

    def test_another_leaf_in_the_place_of_the_quarantine_list_is_refused(self, device: Device) -> None:
        refused(device, "TREE-PROOF", lambda: device.poll(files=served(**{"quarantine.json": TREE.files[MY_CATALOG]})))

    @pytest.mark.parametrize("path", [MY_SHARD, MY_CATALOG, "quarantine.json", HEAD_PATH, TILE])
    def test_a_missing_file_is_refused(self, device: Device, path: str) -> None:
        without = {name: content for name, content in TREE.files.items() if name != path}
        refused(device, "SOURCE", lambda: device.poll(files=without))

    @pytest.mark.parametrize("kept", [0, 1, 31, 32, 4 * 32, 7 * 32 - 1])
    def test_a_truncated_tile_is_refused(self, device: Device, kept: int) -> None:
        refused(device, "TREE-TILE", lambda: device.poll(files=served(**{TILE: TREE.files[TILE][:kept]})))

    def test_a_tile_of_a_larger_tree_is_cut_to_the_signed_size(self, device: Device) -> None:
        before = device.accepted
        device.poll(files=served(**{TILE: TREE.files[TILE] + b"\xff" * 32, "tiles/9/0000/00": b"more"}))
        assert device.accepted == before

    def test_an_endless_tile_is_refused_at_its_limit(self, device: Device) -> None:
        endless = served(**{TILE: TREE.files[TILE] + b"\xff" * 512})
        assert "larger than 512 bytes" in refused(device, "SOURCE", lambda: device.poll(files=endless))


class TestSizeOfTheTree:
    """A head that lies about its shape cannot lead a device to another leaf."""

    @pytest.mark.parametrize(
        "change", [{"index_bits": 3}, {"catalog_bits": 2}, {"index_bits": 1, "catalog_bits": 2}], ids=str
    )
    def test_a_head_of_another_shape_is_refused(self, device: Device, change: Mapping[str, int]) -> None:
        head = replace(TREE.head, **change)  # type: ignore[arg-type]
        refused(device, "ACCEPT-08", lambda: device.poll(files=served(**{HEAD_PATH: head.encode()})))

    def test_a_head_of_another_shape_is_refused_although_signed(self, device: Device) -> None:
        head = replace(TREE.head, index_bits=1, catalog_bits=2)
        assert head.size == TREE.head.size
        lying: Publication = replace(STATEMENT, generation=8, head=sha256(head.encode()))
        files = served(**{HEAD_PATH: head.encode(), "index/1.json": TREE.files[MY_SHARD]})
        refused(device, "TREE-PROOF", lambda: device.poll(samples.sign_statement(lying), files))
