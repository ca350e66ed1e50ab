"""The numbered rules, each broken alone; everything else of the publication stays honest and well signed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringtide_contract.acceptance import GROUND, Accepted, Floor, accept, accept_statement
from ringtide_contract.bundle import write_bundle
from ringtide_contract.envelope import IN_TOTO
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import DeviceId, parse_instant, sha256
from ringtide_contract.index import CatalogShard, IndexRow, IndexShard
from ringtide_contract.keys import key_hint
from ringtide_contract.statement import Publication
from ringtide_contract.tree import HEAD_PATH, QUARANTINE_PATH, class_path, device_prefix, index_path, manifest_path
from ringtide_contract.trust_policy import TrustPolicy
from vectors import samples
from vectors.loader import Vector, good, vector

DEVICE = DeviceId("gate-04")
TREE = samples.compile_tree()
STATEMENT = samples.statement_of(TREE)
BUNDLE = samples.sign_statement(STATEMENT)

READ = {
    HEAD_PATH,
    "index/2.json",
    "catalog/1.json",
    QUARANTINE_PATH,
    class_path(samples.ARM, "gauge"),
    class_path(samples.ARM, "lamp"),
    manifest_path(sha256(samples.CANDIDATE.encode())),
    manifest_path(sha256(samples.LAMP.encode())),
}
"""The files that say something of the device."""


def reader(files: Mapping[str, bytes]) -> Callable[[str, int], bytes]:
    """Return the `read` of a source that holds `files`, as its contract says it behaves."""

    def read(path: str, limit: int) -> bytes:
        if path not in files or len(files[path]) > limit:
            raise TrustError("SOURCE", f"{path} is missing or too large")
        return files[path]

    return read


def taken(
    files: Mapping[str, bytes] = TREE.files, bundle: bytes = BUNDLE, device: str = DEVICE, floor: Floor = GROUND
) -> Accepted:
    return accept(
        bundle,
        trust=samples.TRUST,
        fleet=samples.FLEET,
        device=DeviceId(device),
        floor=floor,
        now=samples.NOW,
        read=reader(files),
    )


def published(tree: samples.Tree, device: str = DEVICE) -> Accepted:
    """Accept a tree that the fleet's own key has signed."""
    return taken(tree.files, samples.sign_statement(samples.statement_of(tree)), device)


def refusal(attempt: Callable[[], object]) -> TrustError:
    with pytest.raises(TrustError) as caught:
        attempt()
    return caught.value


@pytest.mark.parametrize("vector", good("publication"))
def test_golden_publication_gives_each_device_its_manifests(vector: Vector) -> None:
    facts = vector.facts
    trust = TrustPolicy.decode(facts["trustPolicy"].encode())
    files = samples.files_of(facts)
    for device, models in facts["devices"].items():
        accepted = accept(
            vector.content,
            trust=trust,
            fleet=facts["fleet"],
            device=DeviceId(device),
            floor=GROUND,
            now=parse_instant(facts["now"]),
            read=reader(files),
        )
        found = {
            model: {"manifest": desired.assignment.manifest, "reason": desired.assignment.reason}
            for model, desired in accepted.desired.items()
        }
        assert found == models


def test_what_is_accepted_is_what_was_published() -> None:
    accepted = taken()
    assert accepted.publication == STATEMENT
    assert accepted.head == TREE.head
    assert accepted.row == samples.DEVICES[DEVICE]
    assert accepted.quarantine == samples.QUARANTINE
    assert accepted.desired["gauge"].manifest == samples.CANDIDATE
    assert accepted.desired["lamp"].manifest == samples.LAMP
    assert accepted.floor == Floor(epoch=1, generation=7, payload=sha256(STATEMENT.encode()))


def test_a_model_that_is_not_to_be_installed_has_no_manifest() -> None:
    desired = taken(device="yard-01").desired["lamp"]
    assert (desired.assignment.manifest, desired.manifest) == (None, None)


def test_the_same_publication_is_accepted_again_at_its_own_floor() -> None:
    first = taken()
    assert taken(floor=first.floor) == first


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (1, 0), (4, 4), (6, 2)], ids=str)
def test_trees_of_every_shape_are_accepted(shape: tuple[int, int]) -> None:
    tree = samples.compile_tree(index_bits=shape[0], catalog_bits=shape[1])
    for device in samples.DEVICES:
        assert published(tree, device).row == samples.DEVICES[device]


def test_accept_01_the_trust_policy_is_of_another_fleet() -> None:
    error = refusal(lambda: statement_accepted(trust=replace(samples.TRUST, fleet="airport")))
    assert error.rule == "ACCEPT-01"


def test_accept_02_the_bundle_is_not_signed_by_a_key_of_the_trust_policy() -> None:
    error = refusal(lambda: statement_accepted(samples.sign_statement(STATEMENT, samples.STRANGER_KEY)))
    assert error.rule == "BUNDLE-KEY"


def test_accept_03_the_statement_is_not_a_publication() -> None:
    sealed = samples.seal_again(samples.STATEMENT_KEY, IN_TOTO, b'{"_type":"https://in-toto.io/Statement/v1"}')
    error = refusal(lambda: statement_accepted(write_bundle(sealed, key_hint(samples.STATEMENT_KEY.public_key()))))
    assert error.rule == "ACCEPT-03"
    assert "not a publication" in str(error)


def test_accept_03_the_publication_is_of_another_fleet() -> None:
    error = refusal(lambda: statement_accepted(samples.sign_statement(replace(STATEMENT, fleet="airport"))))
    assert error.rule == "ACCEPT-03"


@pytest.mark.parametrize("epoch", [1, 3])
def test_accept_04_the_epoch_is_not_that_of_the_trust_policy(epoch: int) -> None:
    bundle = samples.sign_statement(replace(STATEMENT, epoch=epoch))
    error = refusal(lambda: statement_accepted(bundle, trust=replace(samples.TRUST, epoch=2)))
    assert error.rule == "ACCEPT-04"


def test_accept_05_the_generation_is_below_the_floor() -> None:
    error = refusal(lambda: statement_accepted(floor=Floor(epoch=1, generation=8, payload=sha256(b"8"))))
    assert error.rule == "ACCEPT-05"


def test_accept_05_a_higher_epoch_starts_anew_and_a_lower_one_never_returns() -> None:
    raised = replace(samples.TRUST, epoch=2)
    bundle = samples.sign_statement(replace(STATEMENT, epoch=2, generation=1))
    floor = Floor(epoch=1, generation=2**53 - 1, payload=sha256(b"fast-forward"))
    _, new_floor = statement_accepted(bundle, trust=raised, floor=floor)
    assert (new_floor.epoch, new_floor.generation) == (2, 1)
    assert refusal(lambda: statement_accepted(floor=new_floor)).rule == "ACCEPT-05"


def test_accept_06_two_statements_of_one_generation() -> None:
    error = refusal(lambda: statement_accepted(floor=Floor(epoch=1, generation=7, payload=sha256(b"another"))))
    assert error.rule == "ACCEPT-06"


def test_accept_07_the_publication_has_expired() -> None:
    statement_accepted(now=STATEMENT.not_after)
    error = refusal(lambda: statement_accepted(now=STATEMENT.not_after + timedelta(seconds=1)))
    assert error.rule == "ACCEPT-07"


def test_accept_07_the_expired_golden_publication() -> None:
    case = vector("publication", "harbour-7-expired")
    error = refusal(lambda: statement_accepted(case.content, now=parse_instant(case.facts["now"])))
    assert error.rule == case.rule
    assert case.error is not None
    assert case.error in str(error)


def test_accept_08_the_head_is_not_the_subject() -> None:
    other = samples.compile_tree(quarantine=b"{}").files[HEAD_PATH]
    assert refusal(lambda: taken({**TREE.files, HEAD_PATH: other})).rule == "ACCEPT-08"


@pytest.mark.parametrize("change", [{"fleet": "airport"}, {"root": sha256(b"root")}, {"catalog_bits": 2}], ids=str)
def test_accept_08_head_and_statement_differ(change: Mapping[str, Any]) -> None:
    head = replace(TREE.head, **change).encode()
    lying = samples.sign_statement(replace(STATEMENT, head=sha256(head)))
    assert refusal(lambda: taken({**TREE.files, HEAD_PATH: head}, lying)).rule == "ACCEPT-08"


def test_accept_09_the_index_has_no_row_for_the_device() -> None:
    assert refusal(lambda: taken(device="gate-99")).rule == "ACCEPT-09"


def test_accept_09_the_index_shard_is_not_one() -> None:
    path = index_path(2, device_prefix(DEVICE, 2))
    assert refusal(lambda: published(samples.compile_tree(instead={path: b"{}"}))).rule == "ACCEPT-09"


def test_accept_10_the_catalog_shard_is_not_one() -> None:
    tree = samples.compile_tree(instead={"catalog/1.json": IndexShard(devices={}).encode()})
    assert refusal(lambda: published(tree)).rule == "ACCEPT-10"


def test_accept_10_a_class_without_an_entry_desires_nothing() -> None:
    tree = samples.compile_tree(instead={"catalog/1.json": CatalogShard(classes={}).encode()})
    assert published(tree).desired == {}


def test_accept_11_the_class_file_is_not_the_one_in_the_catalog() -> None:
    path = class_path(samples.ARM, "gauge")
    other = replace(samples.GAUGE_ARM, stable=None).encode()
    assert refusal(lambda: taken({**TREE.files, path: other})).rule == "ACCEPT-11"


@pytest.mark.parametrize("change", [{"class_id": samples.X86}, {"model": "lamp"}], ids=str)
def test_accept_11_the_class_file_says_another_class_or_model(change: Mapping[str, Any]) -> None:
    wrong = replace(samples.GAUGE_ARM, **change).encode()
    tree = samples.compile_tree(class_files={**samples.CLASS_FILES, (samples.ARM, "gauge"): wrong})
    assert refusal(lambda: published(tree)).rule == "ACCEPT-11"


def test_accept_11_the_row_lacks_the_unit_of_the_rollout() -> None:
    rows = {**samples.DEVICES, DeviceId("yard-01"): IndexRow(class_id=samples.X86, state="active")}
    assert refusal(lambda: published(samples.compile_tree(devices=rows), "yard-01")).rule == "ACCEPT-11"


def test_accept_12_the_manifest_is_not_the_one_in_the_class_file() -> None:
    path = manifest_path(sha256(samples.CANDIDATE.encode()))
    assert refusal(lambda: taken({**TREE.files, path: samples.STABLE.encode()})).rule == "ACCEPT-12"


@pytest.mark.parametrize("content", [samples.LAMP.encode(), b"{}"], ids=["another-model", "not-a-manifest"])
def test_accept_12_the_signed_manifest_is_not_one_of_the_model(content: bytes) -> None:
    files = {
        **samples.CLASS_FILES,
        (samples.ARM, "gauge"): replace(samples.GAUGE_ARM, stable=sha256(content), rollout=None).encode(),
    }
    tree = samples.compile_tree(class_files=files, manifests={sha256(content): content})
    assert refusal(lambda: published(tree)).rule == "ACCEPT-12"


def test_accept_13_the_quarantine_list_is_not_one() -> None:
    assert refusal(lambda: published(samples.compile_tree(quarantine=b"[]"))).rule == "ACCEPT-13"


def test_a_source_that_does_not_answer_is_asked_again_later_and_not_distrusted() -> None:
    def silent(path: str, limit: int) -> bytes:
        raise TransientError(f"no answer for {path}")

    with pytest.raises(TransientError):
        accept(
            BUNDLE,
            trust=samples.TRUST,
            fleet=samples.FLEET,
            device=DEVICE,
            floor=GROUND,
            now=samples.NOW,
            read=silent,
        )


def test_every_read_has_a_limit_and_only_the_devices_own_path_is_read() -> None:
    asked: dict[str, int] = {}

    def read(path: str, limit: int) -> bytes:
        asked[path] = limit
        return TREE.files[path]

    accept(BUNDLE, trust=samples.TRUST, fleet=samples.FLEET, device=DEVICE, floor=GROUND, now=samples.NOW, read=read)
    assert all(len(TREE.files[path]) <= limit <= 256 * 1024 for path, limit in asked.items())
    assert {path for path in asked if not path.startswith("tiles/")} == READ


def test_one_changed_byte_in_a_file_that_is_read_is_refused() -> None:
    for path in READ:
        content = TREE.files[path]
        for place in (*range(0, len(content), 3), len(content) - 1):
            changed = content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :]
            with pytest.raises(TrustError):
                taken({**TREE.files, path: changed})


def test_one_changed_byte_in_the_tile_is_refused() -> None:
    """In this small tree the audit paths of the device's three leaves use every hash of the only tile."""
    tile = TREE.files["tiles/0/0000/00"]
    for place in range(len(tile)):
        changed = tile[:place] + bytes([tile[place] ^ 0x80]) + tile[place + 1 :]
        error = refusal(lambda changed=changed: taken({**TREE.files, "tiles/0/0000/00": changed}))  # type: ignore[misc]
        assert error.rule == "TREE-PROOF"


def test_files_about_other_devices_are_not_read_and_cannot_disturb() -> None:
    others = set(TREE.files) - READ - {"tiles/0/0000/00"}
    assert len(others) == 10
    assert taken({path: content for path, content in TREE.files.items() if path not in others}) == taken()


def statement_accepted(
    bundle: bytes = BUNDLE, *, trust: TrustPolicy = samples.TRUST, floor: Floor = GROUND, now: datetime = samples.NOW
) -> tuple[Publication, Floor]:

    return accept_statement(bundle, trust=trust, fleet=samples.FLEET, floor=floor, now=now)
