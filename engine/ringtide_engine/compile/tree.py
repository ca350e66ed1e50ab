"""The published tree: manifests, class files, catalog, index, quarantine list, tiles, and the head over them."""

from collections.abc import Mapping
from dataclasses import replace

from ringtide_contract.class_file import ClassFile, ClassRollout
from ringtide_contract.errors import InputError
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.index import CatalogShard, DeviceState, IndexRow, IndexShard
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.tree import (
    HEAD_PATH,
    QUARANTINE_PATH,
    catalog_path,
    class_path,
    class_prefix,
    device_prefix,
    index_path,
    leaf_hash,
    make_tiles,
    root_hash,
    shard_bits,
)
from ringtide_engine.compile.manifests import Manifests
from ringtide_engine.model.assignment import ClassAssignment, Resolution
from ringtide_engine.model.desired import DesiredState, HardwareClass
from ringtide_engine.model.publication import CompiledTree
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.selection import unit_of


def compile_tree(state: DesiredState, resolution: Resolution, previous_head: TreeHead | None) -> CompiledTree:
    """Compile a resolved desired state.

    Args:
        state: The desired state.
        resolution: What resolve made of it.
        previous_head: The head published last; it keeps the number of shards steady while the fleet hovers at a border.

    Raises:
        InputError: A release lacks a budget or an artifact store, or is placed or pinned though it is quarantined;
            `check` finds these too.
    """
    _refuse_quarantined(state, resolution)
    manifests = Manifests(state.fleet)
    class_files = make_class_files(state, resolution, manifests)
    rows = make_index_rows(state, resolution, manifests)
    files = {class_path(*key): file.encode() for key, file in class_files.items()}
    digests = {key: sha256(files[class_path(*key)]) for key in class_files}

    index_bits = shard_bits(len(rows), previous_head.index_bits if previous_head else None)
    catalog_bits = shard_bits(len(resolution.classes), previous_head.catalog_bits if previous_head else None)
    leaves = _index_shards(rows, index_bits) | _catalog_shards(resolution, digests, catalog_bits)
    leaves[QUARANTINE_PATH] = make_quarantine(state).encode()
    hashes = [leaf_hash(path, sha256(content)) for path, content in leaves.items()]
    head = TreeHead(
        fleet=state.fleet.name,
        index_bits=index_bits,
        catalog_bits=catalog_bits,
        root=Digest(root_hash(hashes).hex()),
    )
    files |= manifests.files | leaves | make_tiles(hashes) | {HEAD_PATH: head.encode()}
    return CompiledTree(files={path: files[path] for path in sorted(files)}, head=head)


def make_class_files(
    state: DesiredState, resolution: Resolution, manifests: Manifests
) -> Mapping[tuple[str, str], ClassFile]:
    """Return class and model to class file.

    A model that only pins bring to a class has a file too, with nothing installed for the others: devices read their
    pins only of models that their class lists.
    """
    files: dict[tuple[str, str], ClassFile] = {}
    banned = _banned_candidates(state, resolution)
    for device, pins in resolution.pinned.items():
        for model in pins:
            class_id = resolution.class_of[device]
            files[class_id, model] = ClassFile(class_id=class_id, model=model, stable=None, rollout=None)
    for each in resolution.assignments:
        hardware = state.hardware[resolution.classes[each.class_id].hardware_class]
        assignment = replace(each, rollout=None) if each.rollout and each.rollout.rollout in banned else each
        files[assignment.class_id, assignment.model] = _class_file(assignment, hardware, manifests)
    return files


def _banned_candidates(state: DesiredState, resolution: Resolution) -> frozenset[str]:
    """Return rollouts that bring what another rollout's roll back has banned; the judge ends them in its next round."""
    under_way = {(each.rollout.rollout, each.model) for each in resolution.assignments if each.rollout}
    return frozenset(
        name for name, model in under_way if entry_against(state, model, state.rollouts[name].candidate) is not None
    )


def _refuse_quarantined(state: DesiredState, resolution: Resolution) -> None:
    stable = {(each.model, each.stable.release.version) for each in resolution.assignments if each.stable}
    pinned = {(model, pin.release.version) for pins in resolution.pinned.values() for model, pin in pins.items()}
    for model, version in sorted(stable | pinned):
        entry = entry_against(state, model, version)
        if entry is not None:
            raise InputError(f"{model} {version} is quarantined, yet placed or pinned: {entry.reason.strip()}")


def make_index_rows(state: DesiredState, resolution: Resolution, manifests: Manifests) -> Mapping[DeviceId, IndexRow]:
    """Return device to index row."""
    rows: dict[DeviceId, IndexRow] = {}
    for name, device in resolution.devices.items():
        pins = resolution.pinned.get(name, {})
        taken: DeviceState = "held" if device.state == "held" else "active"
        rows[name] = IndexRow(
            class_id=resolution.class_of[name],
            state=taken,
            pins={
                model: manifests.digest(choice, state.hardware[device.hardware_class]) for model, choice in pins.items()
            },
            units={unit: unit_of(device, unit) for unit in resolution.units},
        )
    return rows


def make_quarantine(state: DesiredState) -> Quarantine:
    """Return the quarantine list in its one order."""
    ordered = sorted(state.quarantine, key=lambda each: (each.model, each.release, each.subject, each.graphs))
    return Quarantine(entries=tuple(ordered))


def _class_file(assignment: ClassAssignment, hardware: HardwareClass, manifests: Manifests) -> ClassFile:
    plan = assignment.rollout
    rollout = None
    if plan is not None:
        rollout = ClassRollout(
            rollout=plan.rollout,
            salt=plan.salt,
            unit=plan.unit,
            manifest=manifests.digest(plan.candidate, hardware),
            ranges=plan.ranges,
        )
    return ClassFile(
        class_id=assignment.class_id,
        model=assignment.model,
        stable=None if assignment.stable is None else manifests.digest(assignment.stable, hardware),
        rollout=rollout,
    )


def _index_shards(rows: Mapping[DeviceId, IndexRow], bits: int) -> dict[str, bytes]:
    shards: list[dict[DeviceId, IndexRow]] = [{} for _ in range(1 << bits)]
    for device, row in rows.items():
        shards[device_prefix(device, bits)][device] = row
    return {index_path(bits, prefix): IndexShard(devices=shard).encode() for prefix, shard in enumerate(shards)}


def _catalog_shards(resolution: Resolution, digests: Mapping[tuple[str, str], Digest], bits: int) -> dict[str, bytes]:
    shards: list[dict[str, dict[str, Digest]]] = [{} for _ in range(1 << bits)]
    for class_id in resolution.classes:
        shards[class_prefix(class_id, bits)][class_id] = {}
    for (class_id, model), digest in digests.items():
        shards[class_prefix(class_id, bits)][class_id][model] = digest
    return {catalog_path(bits, prefix): CatalogShard(classes=shard).encode() for prefix, shard in enumerate(shards)}
