"""Verify: believe what is published as a device would, from the outside, and compare it with its source.

A device reads its own path through the tree; verify walks the path of every device, and then looks at what none of
them reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract import fields
from ringtide_contract.acceptance import GROUND, Floor, ReadFile, accept, accept_statement
from ringtide_contract.bundle import check_bundle
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import IN_TOTO
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.head import MAX_HEAD_BYTES, TreeHead
from ringtide_contract.ids import DeviceId, Digest, parse_instant, sha256
from ringtide_contract.index import MAX_SHARD_BYTES, IndexShard
from ringtide_contract.quarantine import MAX_QUARANTINE_BYTES
from ringtide_contract.statement import Publication
from ringtide_contract.tree import (
    HEAD_PATH,
    QUARANTINE_PATH,
    catalog_path,
    index_path,
    leaf_hash,
    make_tiles,
    manifest_path,
    root_hash,
)
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine.model.publication import PLAN_RECORD, POLICY_RECORD, PUBLISHED, Published
from ringtide_engine.ports import Repository, SecondOpinion, TrustReader
from ringtide_engine.workflows.publish import SOURCE_BRANCH
from ringtide_engine.workflows.published import tree_files
from ringtide_engine.workflows.recompile import recompile as compile_again

_MANIFESTS = "manifests/"
_TIMESTAMP = "metadata/timestamp.json"
_MAX_TIMESTAMP_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A publication that passed every check."""

    fleet: str
    """The fleet."""
    epoch: int
    """Its epoch."""
    generation: int
    """Its generation."""
    commit: str
    """Commit on the branch that devices follow."""
    root: Digest
    """Merkle root."""
    devices: int
    """Devices whose whole path through the tree was walked."""
    source: str
    """Commit of the desired state that it says it was compiled from."""
    recompiled: bool | None
    """Whether that commit compiles to the same tree; None where this was not tried. A difference raises."""
    expires: datetime
    """When devices stop installing from it, unless it is refreshed before."""
    floor: Floor
    """What the next verification shall not be older than."""
    notes: tuple[str, ...]
    """What could not be checked, and why."""


def verify(
    repository: Repository,
    *,
    root: bytes,
    reader: TrustReader,
    second_opinion: SecondOpinion,
    now: datetime,
    devices: Sequence[DeviceId] | None = None,
    recompile: bool = True,
    floor: Floor = GROUND,
) -> Verification:
    """Verify the publication on the branch that devices follow; nothing is written.

    1. The TUF client accepts the metadata from `root` on; it gives the trust policy and the bundle.
    2. Every device accepts the publication (`contract.acceptance`, rules 1 to 13).
    3. Another implementation reads the same statement in the bundle.
    4. Every leaf, tile and manifest is the signed one, also those on nobody's path.
    5. The records of plan and policy are those that the statement names.
    6. The source compiles to the signed tree, and the branch holds that tree and nothing beside it.

    Args:
        repository: The fleet repository, or any mirror of its branch.
        root: TUF root metadata that is trusted already.
        reader: The TUF client.
        second_opinion: Reads the bundle once more.
        now: The present.
        devices: Walk the paths of these alone; None for every device of the index. Everything else is checked anyway.
        recompile: Compile the source again, where the repository has it.
        floor: The newest publication verified before.

    Raises:
        TrustError: A check failed; `rule` says which.
        InputError: Nothing is published, or `devices` is empty.
        TransientError: The remote does not answer.
    """
    # Read.
    if devices is not None and not devices:
        raise InputError("verify at least one device, or name none to verify all")
    commit = repository.head(PUBLISHED)
    if commit is None:
        raise InputError(f"the repository has no branch {PUBLISHED}; publish first")
    files = _files(repository, commit)
    read = _reader(files)

    # 1
    policy, bundle = reader.current(files, root, now)
    try:
        trust = TrustPolicy.decode(policy)
    except InputError as error:
        raise TrustError("VERIFY-TRUST", f"the trust policy cannot be read: {error}") from error
    # 2
    publication, above = accept_statement(bundle, trust=trust, fleet=trust.fleet, floor=floor, now=now)
    head = _head(publication, read)
    walked = _listed(head, read) if devices is None else tuple(dict.fromkeys(devices))
    for device in walked:
        accept(bundle, trust=trust, fleet=trust.fleet, device=device, floor=floor, now=now, read=read)
    # 3
    payload = check_bundle(bundle, trust.statement_keys, IN_TOTO)
    if second_opinion.payload(bundle) != payload:
        raise TrustError("VERIFY-OPINION", "another implementation finds another statement in the same bundle")
    # 4
    _check_leaves(head, read)
    for path, content in files.items():
        if path.startswith(_MANIFESTS) and path != manifest_path(sha256(content)):
            raise TrustError("VERIFY-MANIFEST", f"{path} does not have the digest of its name")
    # 5
    for path, digest in ((PLAN_RECORD, publication.plan), (POLICY_RECORD, publication.policy)):
        if sha256(files.get(path, b"")) != digest:
            raise TrustError("VERIFY-RECORDS", f"{path} is not the record that the statement names")
    # 6
    missed = None
    if recompile:
        published = Published(
            commit=commit, files=files, bundle=bundle, payload=sha256(payload), publication=publication, head=head
        )
        missed = _recompiled(repository, published)
    return Verification(
        fleet=publication.fleet,
        epoch=publication.epoch,
        generation=publication.generation,
        commit=commit,
        root=head.root,
        devices=len(walked),
        source=publication.source.commit,
        recompiled=True if recompile and missed is None else None,
        expires=min(publication.not_after, _timestamp_expires(read)),
        floor=above,
        notes=() if missed is None else (missed,),
    )


def _files(repository: Repository, commit: str) -> Mapping[str, bytes]:
    try:
        return repository.files(commit)
    except InputError as error:
        raise TrustError("VERIFY-FILES", f"the branch {PUBLISHED} cannot be read: {error}") from error


def _reader(files: Mapping[str, bytes]) -> ReadFile:
    def read(path: str, limit: int) -> bytes:
        content = files.get(path)
        if content is None:
            raise TrustError("VERIFY-FILES", f"the branch {PUBLISHED} has no {path}")
        if len(content) > limit:
            raise TrustError("VERIFY-FILES", f"{path} is {len(content)} bytes where at most {limit} are allowed")
        return content

    return read


def _head(publication: Publication, read: ReadFile) -> TreeHead:
    """Return the signed head, to list devices by; `accept` applies the same rule for each of them."""
    content = read(HEAD_PATH, MAX_HEAD_BYTES)
    if sha256(content) != publication.head:
        raise TrustError("ACCEPT-08", f"{HEAD_PATH} is not the one that was signed")
    try:
        return TreeHead.decode(content)
    except InputError as error:
        raise TrustError("ACCEPT-08", str(error)) from error


def _listed(head: TreeHead, read: ReadFile) -> tuple[DeviceId, ...]:
    """Return the devices of the index; a shard that lies is found when its devices walk through it, or as a leaf."""
    devices: list[DeviceId] = []
    for prefix in range(1 << head.index_bits):
        path = index_path(head.index_bits, prefix)
        try:
            devices += IndexShard.decode(read(path, MAX_SHARD_BYTES)).devices
        except InputError as error:
            raise TrustError("ACCEPT-09", f"{path}: {error}") from error
    return tuple(devices)


def _check_leaves(head: TreeHead, read: ReadFile) -> None:
    index = [index_path(head.index_bits, prefix) for prefix in range(1 << head.index_bits)]
    catalog = [catalog_path(head.catalog_bits, prefix) for prefix in range(1 << head.catalog_bits)]
    limits = {**dict.fromkeys((*index, *catalog), MAX_SHARD_BYTES), QUARANTINE_PATH: MAX_QUARANTINE_BYTES}
    leaves = [leaf_hash(path, sha256(read(path, limit))) for path, limit in limits.items()]
    if root_hash(leaves).hex() != head.root:
        raise TrustError("VERIFY-LEAVES", "the leaves on the branch do not make the signed root")
    for path, content in make_tiles(leaves).items():
        if read(path, MAX_SHARD_BYTES) != content:
            raise TrustError("VERIFY-LEAVES", f"{path} does not hold the hashes of the leaves")


def _recompiled(repository: Repository, published: Published) -> str | None:
    """Compile the source again; return why that cannot be done here, None where it gives the published files."""
    source = published.publication.source.commit
    newest = repository.head(SOURCE_BRANCH)
    try:
        repository.commit_of(source)
    except InputError:
        return f"the source {source} is not in this repository, so nothing was compiled again"
    try:
        if newest is not None and not repository.is_ancestor(source, newest):
            raise TrustError("VERIFY-SOURCE", f"the source {source} is not in the history of {SOURCE_BRANCH}")
        compiled = compile_again(repository, published).files
    except InputError as error:
        raise TrustError("VERIFY-SOURCE", f"the source {source} does not compile: {error}") from error
    lying = tree_files(published.files)
    for path in sorted({*compiled, *lying}):
        if compiled.get(path) != lying.get(path):
            raise TrustError("VERIFY-TREE", f"{path} is not what the source compiles to")
    return None


def _timestamp_expires(read: ReadFile) -> datetime:
    """Return when the timestamp, which the TUF client has accepted, expires."""
    try:
        data = fields.members(decode(read(_TIMESTAMP, _MAX_TIMESTAMP_BYTES), limit=_MAX_TIMESTAMP_BYTES), "timestamp")
        return parse_instant(fields.text(fields.members(data.get("signed"), "timestamp"), "expires"))
    except InputError as error:
        raise TrustError("VERIFY-FILES", f"{_TIMESTAMP}: {error}") from error
