"""What lies on the branch `published`: read, and believed as far as the trust policy of the fleet goes."""

from collections.abc import Mapping

from ringtide_contract import fields
from ringtide_contract.bundle import MAX_BUNDLE_BYTES, check_bundle
from ringtide_contract.canonical import decode, encode
from ringtide_contract.envelope import IN_TOTO, Envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import sha256
from ringtide_contract.statement import Publication
from ringtide_contract.tree import HEAD_PATH
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine.model.publication import GENERATION_RECORD, PUBLISHED, RECORDS, Published
from ringtide_engine.ports import Repository

BURNT_LIMIT = 1000
"""Generations that may be reserved and never signed; more is a number that somebody pushed up."""

_BUNDLES = "targets/release/"
_MAX_RECORD_BYTES = 1024


def read_published(repository: Repository, commit: str | None) -> Published | None:
    """Return what a commit of the branch publishes; None where nothing was published yet.

    Its signature is not checked here.

    Raises:
        TrustError: The branch holds something else.
    """
    if commit is None:
        return None
    files = repository.files(commit)
    if set(files) <= {GENERATION_RECORD}:
        return None  # the first generation was reserved, and burned
    bundles = [content for path, content in files.items() if path.startswith(_BUNDLES)]
    if len(bundles) != 1:
        raise TrustError("PUBLISHED-FORM", f"the branch {PUBLISHED} holds {len(bundles)} statements")
    try:
        payload = _payload(bundles[0])
        head = TreeHead.decode(files[HEAD_PATH])
        publication = Publication.decode(payload)
    except (InputError, KeyError) as error:
        raise TrustError("PUBLISHED-FORM", f"the branch {PUBLISHED} holds no publication: {error}") from error
    if sha256(files[HEAD_PATH]) != publication.head:
        raise TrustError("PUBLISHED-FORM", f"the statement on the branch {PUBLISHED} is not about the tree beside it")
    return Published(
        commit=commit, files=files, bundle=bundles[0], payload=sha256(payload), publication=publication, head=head
    )


def believed(published: Published | None, trust: TrustPolicy) -> Published | None:
    """Return the publication that the next one follows.

    A raised epoch begins anew: after a theft of the statement key nothing that it signed counts, so the next
    publication is planned and accepted like the first.

    Raises:
        TrustError: It is not signed by a key that the trust policy names.
    """
    if published is None or published.publication.epoch < trust.epoch:
        return None
    check_bundle(published.bundle, trust.statement_keys, IN_TOTO)
    if (published.publication.fleet, published.publication.epoch) != (trust.fleet, trust.epoch):
        raise TrustError("PUBLISHED-FLEET", "what was published last is of another fleet or a later epoch")
    return published


def next_generation(repository: Repository, commit: str | None, published: Published | None, epoch: int) -> int:
    """Return the generation to reserve: above the last signed and the last reserved one of this epoch.

    Raises:
        TrustError: The record is none, or its number far above the signed one.
    """
    signed = published.publication.generation if published else 0
    record = repository.file(commit, GENERATION_RECORD) if commit else None
    if record is None:
        return signed + 1
    try:
        data = fields.members(decode(record, limit=_MAX_RECORD_BYTES), "record")
        reserved = fields.integer(data, "reserved") if fields.integer(data, "epoch") == epoch else 0
    except InputError as error:
        raise TrustError("PUBLISHED-NUMBER", f"{GENERATION_RECORD} is not a record: {error}") from error
    if reserved - signed > BURNT_LIMIT:
        raise TrustError("PUBLISHED-NUMBER", f"{reserved} is reserved where {signed} is the last signed generation")
    return max(signed, reserved) + 1


def generation_record(epoch: int, generation: int) -> Mapping[str, bytes]:
    """Return the record that reserves a generation."""
    return {GENERATION_RECORD: encode({"epoch": epoch, "reserved": generation})}


def is_tuf(path: str) -> bool:
    """Tell whether the TUF client reads `path`."""
    return path.startswith(("metadata/", "targets/"))


def tree_files(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return those files of the branch that the Merkle root covers."""
    return {path: content for path, content in files.items() if not is_tuf(path) and not path.startswith(RECORDS)}


def _payload(bundle: bytes) -> bytes:
    data = fields.members(decode(bundle, limit=MAX_BUNDLE_BYTES), "bundle")
    return Envelope.from_dict(data.get("dsseEnvelope")).payload
