"""The numbered rules by which a device believes a publication; `ringtide verify` applies the same.

What is not checked here, and must have happened before: the TUF client has refreshed its metadata, so that the trust
policy and the bundle are the current targets of their roles and neither is older than one seen before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ringtide_contract.bundle import check_bundle
from ringtide_contract.class_file import MAX_CLASS_FILE_BYTES, Assignment, ClassFile, assign
from ringtide_contract.envelope import IN_TOTO
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.head import MAX_HEAD_BYTES, TreeHead
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.index import MAX_SHARD_BYTES, CatalogShard, IndexRow, IndexShard
from ringtide_contract.manifest import MAX_MANIFEST_BYTES, Manifest
from ringtide_contract.quarantine import MAX_QUARANTINE_BYTES, Quarantine
from ringtide_contract.statement import Publication
from ringtide_contract.tree import (
    HEAD_PATH,
    QUARANTINE_PATH,
    catalog_path,
    check_inclusion,
    class_path,
    class_prefix,
    device_prefix,
    inclusion_proof_from_tiles,
    index_path,
    leaf_hash,
    manifest_path,
    tile_path,
)
from ringtide_contract.trust_policy import TrustPolicy

ReadFile = Callable[[str, int], bytes]
"""(path in the tree, largest size) -> content. Raises TransientError where the source does not answer, TrustError where
the file is missing or larger."""

T = TypeVar("T")

_TILE_BYTES = 16 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The newest publication that was verified here: numbers never go down."""

    epoch: int
    """Its epoch; 0 before the first."""
    generation: int
    """Its generation; 0 before the first."""
    payload: Digest | None
    """Digest of its payload; None before the first."""


GROUND = Floor(epoch=0, generation=0, payload=None)
"""The floor of a device that has verified nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What one device shall run of one model."""

    assignment: Assignment
    """Which manifest, and why."""
    manifest: Manifest | None
    """The manifest itself; None where the model is not to be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A publication that passed every rule, as far as one device needs it."""

    publication: Publication
    """The statement."""
    floor: Floor
    """The floor from now on; the caller makes it durable before it acts on anything else here."""
    head: TreeHead
    """The tree head."""
    row: IndexRow
    """The device's row."""
    desired: Mapping[str, Desired]
    """Model to what the device shall run of it."""
    quarantine: Quarantine
    """What may not be activated; the caller checks it also before a revert."""


def accept_statement(
    bundle: bytes, *, trust: TrustPolicy, fleet: str, floor: Floor, now: datetime
) -> tuple[Publication, Floor]:
    """Apply the rules about the statement alone.

    1. The fleet's own trust policy names the keys; it is for this fleet.
    2. The bundle is well formed and signed by one of those keys, as an in-toto statement.
    3. The statement is a publication of this fleet.
    4. Its epoch is the trust policy's.
    5. (epoch, generation) is not below the floor.
    6. At the floor's own number it is the very statement seen before.
    7. It has not expired.

    Args:
        bundle: The bundle as received.
        trust: The trust policy, from the TUF targets role.
        fleet: The fleet this device is enrolled in.
        floor: The newest publication verified here.
        now: The present, not below the device's clock floor.

    Returns:
        The statement and the new floor.

    Raises:
        TrustError: A rule is broken; `rule` names it as `ACCEPT-01` and so on.
    """
    # 1
    if trust.fleet != fleet:
        raise TrustError("ACCEPT-01", f"the trust policy is for fleet {trust.fleet!r}, this is {fleet!r}")
    # 2 - check_bundle refuses with its own rule names
    payload = check_bundle(bundle, trust.statement_keys, IN_TOTO)
    # 3
    try:
        publication = Publication.decode(payload)
    except InputError as error:
        raise TrustError("ACCEPT-03", f"the statement is not a publication: {error}") from error
    if publication.fleet != fleet:
        raise TrustError("ACCEPT-03", f"a publication of fleet {publication.fleet!r}, this is {fleet!r}")
    # 4
    if publication.epoch != trust.epoch:
        raise TrustError("ACCEPT-04", f"epoch {publication.epoch} where the trust policy says {trust.epoch}")
    # 5
    number = (publication.epoch, publication.generation)
    if number < (floor.epoch, floor.generation):
        raise TrustError(
            "ACCEPT-05",
            f"generation {publication.epoch}.{publication.generation} is older than "
            f"{floor.epoch}.{floor.generation}, which was verified here before",
        )
    # 6
    digest = sha256(payload)
    if number == (floor.epoch, floor.generation) and floor.payload not in (None, digest):
        raise TrustError("ACCEPT-06", f"a second, different statement of generation {publication.generation}")
    # 7
    if now > publication.not_after:
        raise TrustError("ACCEPT-07", f"the publication expired on {publication.not_after:%Y-%m-%d %H:%M} UTC")
    return publication, Floor(epoch=publication.epoch, generation=publication.generation, payload=digest)


def accept(
    bundle: bytes, *, trust: TrustPolicy, fleet: str, device: DeviceId, floor: Floor, now: datetime, read: ReadFile
) -> Accepted:
    """Apply every rule and return what the publication says of one device.

    Rules 1 to 7 are those of `accept_statement`.

    8. `head.json` is the statement's subject, and its fleet, root and size are the statement's.
    9. The device's index shard is in the tree, at the place its id gives, and has a row for it.
    10. The catalog shard of its class is in the tree, at the place the class id gives.
    11. Every class file has the digest that the catalog says, and is about this class and model.
    12. Every manifest has the digest that the class file says, and is about this model.
    13. The quarantine list is in the tree, as its last leaf.

    Args:
        bundle: The bundle as received.
        trust: The trust policy, from the TUF targets role.
        fleet: The fleet this device is enrolled in.
        device: This device.
        floor: The newest publication verified here.
        now: The present, not below the device's clock floor.
        read: Reads one file of the published tree, at most so many bytes.

    Raises:
        TrustError: A rule is broken; nothing of the publication may be used.
        TransientError: The source did not answer; raised by `read`.
    """
    publication, new_floor = accept_statement(bundle, trust=trust, fleet=fleet, floor=floor, now=now)
    head = _accept_head(publication, read)  # 8

    # 9
    prefix = device_prefix(device, head.index_bits)
    content = _read_leaf(head, index_path(head.index_bits, prefix), prefix, MAX_SHARD_BYTES, read)
    row = _parse("ACCEPT-09", IndexShard.decode, content).devices.get(device)
    if row is None:
        raise TrustError("ACCEPT-09", f"the publication has no device {device!r}: not enrolled, or retired")
    # 10
    prefix = class_prefix(row.class_id, head.catalog_bits)
    path = catalog_path(head.catalog_bits, prefix)
    content = _read_leaf(head, path, head.catalog_leaf(prefix), MAX_SHARD_BYTES, read)
    files = _parse("ACCEPT-10", CatalogShard.decode, content).classes.get(row.class_id, {})
    # 11, 12
    desired = {model: _accept_model(row, device, model, digest, read) for model, digest in sorted(files.items())}
    # 13
    content = _read_leaf(head, QUARANTINE_PATH, head.quarantine_leaf, MAX_QUARANTINE_BYTES, read)
    quarantine = _parse("ACCEPT-13", Quarantine.decode, content)
    return Accepted(
        publication=publication, floor=new_floor, head=head, row=row, desired=desired, quarantine=quarantine
    )


def _accept_head(publication: Publication, read: ReadFile) -> TreeHead:
    content = read(HEAD_PATH, MAX_HEAD_BYTES)
    if sha256(content) != publication.head:
        raise TrustError("ACCEPT-08", "head.json is not the one that was signed")
    head = _parse("ACCEPT-08", TreeHead.decode, content)
    if (head.fleet, head.root, head.size) != (publication.fleet, publication.root, publication.size):
        raise TrustError("ACCEPT-08", "head.json and the statement differ about fleet, root or size")
    return head


def _accept_model(row: IndexRow, device: DeviceId, model: str, digest: Digest, read: ReadFile) -> Desired:
    # 11
    content = read(class_path(row.class_id, model), MAX_CLASS_FILE_BYTES)
    if sha256(content) != digest:
        raise TrustError("ACCEPT-11", f"the class file of {model!r} is not the one that was signed")
    file = _parse("ACCEPT-11", ClassFile.decode, content)
    if (file.class_id, file.model) != (row.class_id, model):
        raise TrustError("ACCEPT-11", f"a class file of {file.class_id}/{file.model} in the place of {model!r}")
    try:
        assignment = assign(file, row, device)
    except InputError as error:
        raise TrustError("ACCEPT-11", str(error)) from error
    # 12
    if assignment.manifest is None:
        return Desired(assignment=assignment, manifest=None)
    content = read(manifest_path(assignment.manifest), MAX_MANIFEST_BYTES)
    if sha256(content) != assignment.manifest:
        raise TrustError("ACCEPT-12", f"the manifest of {model!r} is not the one that was signed")
    manifest = _parse("ACCEPT-12", Manifest.decode, content)
    if manifest.model != model:
        raise TrustError("ACCEPT-12", f"a manifest of {manifest.model!r} in the place of {model!r}")
    return Desired(assignment=assignment, manifest=manifest)


def _read_leaf(head: TreeHead, path: str, index: int, limit: int, read: ReadFile) -> bytes:
    content = read(path, limit)
    proof = inclusion_proof_from_tiles(
        lambda level, number: read(tile_path(level, number), _TILE_BYTES), head.size, index
    )
    check_inclusion(leaf_hash(path, sha256(content)), index, head.size, proof, bytes.fromhex(head.root))
    return content


def _parse(rule: str, decode: Callable[[bytes], T], content: bytes) -> T:
    try:
        return decode(content)
    except InputError as error:
        raise TrustError(rule, str(error)) from error
