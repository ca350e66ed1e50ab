"""What lies on the branch `published`, believed as far as the trust policy goes, and what the judge has said since."""

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

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
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.model.publication import GENERATION_RECORD, PUBLISHED, RECORDS, Published
from ringtide_engine.ports import CommitInfo, Repository

BURNT_LIMIT = 1000
"""Generations that may be reserved and never signed; more is a number that somebody pushed up."""

COMMIT_LIMIT = 100_000
"""Commits that are looked at between two publications; the first one looks at the whole history."""

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


def verdicts_since(repository: Repository, head: str, since: str | None) -> tuple[str, ...]:
    """Return the commits after `since`, on every line of the history, that touch a path of the judge, oldest first.

    A merge says nothing of its own: every path of the judge is that of a parent which knows all that was said of it.

    Raises:
        TrustError: A merge says something else, or drops what was said; or the history is too long.
    """
    commits = _commits_since(repository, head, since)
    parents = {name: [each for each in info.parents if each in commits] for name, info in commits.items()}
    touched: dict[str, frozenset[str]] = {}
    known: dict[str, frozenset[str]] = {} if since is None else {since: frozenset({since})}
    for name in TopologicalSorter(parents).static_order():
        info = commits[name]
        before = [known.get(parent, frozenset()) for parent in info.parents]
        changes = [_judged_paths(repository, parent, name) for parent in info.parents or (None,)]
        known[name] = frozenset().union(*before)
        if len(changes) > 1:
            for path in frozenset().union(*changes):
                said = {each for each in known[name] if path in touched.get(each, {path})}
                if not any(path not in change and said <= knows for change, knows in zip(changes, before, strict=True)):
                    raise TrustError("JUDGE-REPLAY", f"the merge {name} says something of its own in {path}")
        elif changes[0]:
            touched[name] = changes[0]
            known[name] |= {name}
    return tuple(touched)


def _commits_since(repository: Repository, head: str, since: str | None) -> Mapping[str, CommitInfo]:
    found: dict[str, CommitInfo] = {}
    starts = [head]
    while starts:
        for info in repository.history(starts.pop(), since=since):
            if info.id in found:
                break
            if len(found) >= COMMIT_LIMIT:
                raise TrustError("PUBLISH-SOURCE", f"{head} is more than {COMMIT_LIMIT} commits ahead")
            found[info.id] = info
            starts += info.parents[1:]
    return found


def _judged_paths(repository: Repository, old: str | None, new: str) -> frozenset[str]:
    paths: Collection[str] = repository.files(new) if old is None else repository.changed_paths(old, new)
    return frozenset(filter(is_judge_path, paths))


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
