"""Compile: one tree for one state, complete, and believed by the contract's own rules."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.desired_states import OPENED, desired_state, opened, pin, progress_of
from ringtide_contract import keys
from ringtide_contract.acceptance import GROUND, Accepted, accept
from ringtide_contract.bundle import write_bundle
from ringtide_contract.class_file import ClassFile
from ringtide_contract.envelope import IN_TOTO, seal
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.manifest import Manifest
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_contract.statement import Publication, Source
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine.compile import compile_tree
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.publication import CompiledTree
from ringtide_engine.resolve import resolve

K, V = TypeVar("K"), TypeVar("V")
KEY = keys.generate()
NONE = Digest("0" * 64)


def compiled(state: DesiredState, previous: CompiledTree | None = None) -> CompiledTree:
    return compile_tree(state, resolve(state), previous.head if previous else None)


def accepted(tree: CompiledTree, device: str) -> Accepted:
    """Accept the tree as a device does."""
    publication = Publication(
        fleet="harbour",
        epoch=1,
        generation=1,
        issued_at=OPENED,
        not_after=OPENED + timedelta(days=14),
        head=sha256(tree.files["head.json"]),
        root=tree.head.root,
        size=tree.head.size,
        source=Source(commit="0" * 40, content_digest=NONE),
        compiler="test",
        policy=NONE,
        plan=NONE,
        previous=None,
    )
    hint = keys.key_hint(KEY.public_key())
    trust = TrustPolicy(fleet="harbour", epoch=1, statement_keys={hint: KEY.public_key()})
    bundle = write_bundle(seal(KEY, IN_TOTO, publication.encode()), hint)

    def read(path: str, limit: int) -> bytes:
        content = tree.files[path]
        assert len(content) <= limit
        return content

    return accept(bundle, trust=trust, fleet="harbour", device=DeviceId(device), floor=GROUND, now=OPENED, read=read)


def test_every_device_accepts_the_tree_and_finds_its_manifest() -> None:
    state = desired_state()
    tree = compiled(state)
    for name, device in state.devices.items():
        desired = accepted(tree, name).desired["digits"]
        assert desired.manifest is not None
        assert desired.manifest.hardware_class == device.hardware_class
        assert desired.manifest.release == "1.0.0"
        assert desired.assignment.reason == "stable"


def test_a_manifest_says_all_that_a_device_needs() -> None:
    manifest = accepted(compiled(desired_state()), "edge-m-0001").desired["digits"].manifest
    assert manifest is not None
    assert manifest.variant == "fp32"
    assert [artifact.name for artifact in manifest.artifacts] == ["model.onnx", "golden.json"]
    graph = manifest.artifact("model.onnx")
    assert graph.uris == (f"file:///srv/models/{graph.sha256}",)
    assert manifest.golden is not None
    assert manifest.golden.artifact == "golden.json"
    assert manifest.runtime.providers == ("CPUExecutionProvider",)
    assert manifest.probation.seconds == 600


def test_exposed_devices_and_only_they_get_the_candidate() -> None:
    strata = {
        f"{hardware}/region={region}": 2**63 for hardware in ("edge-s", "edge-m", "edge-l") for region in ("eu", "us")
    }
    state = desired_state(40, candidate="1.1.0", progress=progress_of("1.1.0", "rolling", opened("canary", strata)))
    tree = compiled(state)
    seen = set()
    for name in state.devices:
        desired = accepted(tree, name).desired["digits"]
        assert desired.assignment.bucket is not None
        assert desired.manifest is not None
        exposed = desired.assignment.bucket < 2**63
        assert desired.manifest.release == ("1.1.0" if exposed else "1.0.0")
        seen.add(exposed)
    assert seen == {True, False}


def test_a_pin_reaches_its_device_alone_also_where_the_model_is_not_placed() -> None:
    for placed in ("1.0.0", None):
        state = pin(desired_state(placed=placed), "edge-m-0001", "1.2.0")
        tree = compiled(state)
        pinned = accepted(tree, "edge-m-0001").desired["digits"]
        assert pinned.manifest is not None
        assert (pinned.manifest.release, pinned.assignment.reason) == ("1.2.0", "pin")
        other = accepted(tree, "edge-m-0007").desired["digits"].manifest
        assert (other.release if other else None) == placed
    nowhere = replace(pin(desired_state(), "edge-m-0001", "1.2.0"), placements={})
    assert accepted(compiled(nowhere), "edge-m-0001").desired["digits"].assignment.reason == "pin"
    assert accepted(compiled(nowhere), "edge-m-0007").desired["digits"].manifest is None


def test_a_retired_device_is_provably_absent() -> None:
    state = desired_state()
    gone = replace(state.devices[DeviceId("edge-m-0001")], state="retired")
    tree = compiled(replace(state, devices={**state.devices, gone.id: gone}))
    with pytest.raises(TrustError, match="ACCEPT-09"):
        accepted(tree, "edge-m-0001")


def test_opening_a_ring_leaves_index_and_manifests_alone() -> None:
    before = compiled(desired_state(40, candidate="1.1.0"))
    progress = progress_of("1.1.0", "rolling", opened("canary", {"edge-m/region=eu": 2**60}))
    after = compiled(desired_state(40, candidate="1.1.0", progress=progress), before)
    changed = {path.split("/")[0] for path in after.files if before.files.get(path) != after.files[path]}
    assert changed == {"classes", "catalog", "head.json", "tiles"}
    assert set(before.files) == set(after.files)


def test_the_quarantine_list_has_one_order() -> None:
    entries = tuple(
        QuarantineEntry(subject="release", model="digits", release=version, graphs=(), reason="bad")
        for version in ("1.2.0", "1.1.0")
    )
    state = desired_state()
    tree = compiled(replace(state, quarantine=entries))
    assert tree.files == compiled(replace(state, quarantine=entries[::-1])).files
    assert [entry.release for entry in accepted(tree, "edge-m-0001").quarantine.entries] == ["1.1.0", "1.2.0"]


def test_a_missing_budget_or_store_names_the_file() -> None:
    state = desired_state()
    key = ("digits", "1.0.0")
    without = replace(state.releases[key], budgets={})
    with pytest.raises(InputError, match=r"models/digits/1\.0\.0\.yaml has no budget"):
        compiled(replace(state, releases={**state.releases, key: without}))
    with pytest.raises(InputError, match="artifact store 'models'"):
        compiled(replace(state, fleet=replace(state.fleet, artifact_stores={})))


# Law: the same desired state gives the same bytes, in whatever order it was read.
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_input_changes_no_byte(seed: int) -> None:
    progress = progress_of("1.1.0", "rolling", opened("canary", {"edge-m/region=eu": 2**60, "edge-s/region=us": 2**61}))
    state = pin(desired_state(30, candidate="1.1.0", progress=progress), "edge-l-0002", "1.2.0")
    chance = random.Random(seed)

    def shuffled(values: Mapping[K, V]) -> dict[K, V]:
        items = list(values.items())
        chance.shuffle(items)
        return dict(items)

    mixed = replace(
        state,
        hardware=shuffled(state.hardware),
        devices={name: replace(each, labels=shuffled(each.labels)) for name, each in shuffled(state.devices).items()},
        cohorts=shuffled(state.cohorts),
        releases=shuffled(state.releases),
        placements=shuffled(state.placements),
        rollouts=shuffled(state.rollouts),
    )
    assert list(compiled(mixed).files.items()) == list(compiled(state).files.items())


def test_the_number_of_files_follows_classes_and_releases_and_not_devices() -> None:
    tree = compiled(desired_state(5_000, candidate="1.1.0"))
    count = {
        name: sum(path.startswith(f"{name}/") for path in tree.files) for name in ("classes", "manifests", "index")
    }
    assert count == {"classes": 6, "manifests": 6, "index": 128}
    some = next(path for path in tree.files if path.startswith("classes/"))
    assert ClassFile.decode(tree.files[some]).rollout is not None
    assert all(Manifest.decode(content) for path, content in tree.files.items() if path.startswith("manifests/"))
    assert accepted(tree, "edge-m-4999").row.state == "active"


def test_shards_stay_while_the_fleet_hovers_at_a_border() -> None:
    large = compiled(desired_state(130))
    smaller = compiled(desired_state(120), large)
    assert smaller.head.index_bits == large.head.index_bits
    assert compiled(desired_state(120)).head.index_bits < large.head.index_bits
