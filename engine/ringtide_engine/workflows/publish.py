"""Publish: compile the reviewed desired state, sign it, and commit it to the branch that devices follow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal

from ringtide_contract.acceptance import GROUND, accept_statement
from ringtide_contract.bundle import write_bundle
from ringtide_contract.envelope import IN_TOTO, Envelope
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_contract.keys import key_hint
from ringtide_contract.statement import Previous, Publication, Source
from ringtide_contract.tree import HEAD_PATH
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine import __version__
from ringtide_engine.compile import compile_tree
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import Fleet
from ringtide_engine.model.plan import PlanRow
from ringtide_engine.model.policy import PolicyEngine
from ringtide_engine.model.publication import (
    PLAN_RECORD,
    POLICY_RECORD,
    PUBLISHED,
    RECORDS,
    CompiledTree,
    Published,
    PublishOutcome,
)
from ringtide_engine.ports import ConflictError, Notifier, Repository, StatementSigner, TufSigner
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.check import check
from ringtide_engine.workflows.handoff import check_handed, open_handed, source_of
from ringtide_engine.workflows.plan import plan_change, with_judgement_of
from ringtide_engine.workflows.publish_checks import (
    check_descent,
    check_keys,
    is_stale,
    trust_is_published,
    trust_policy_of,
)
from ringtide_engine.workflows.published import (
    believed,
    generation_record,
    is_tuf,
    next_generation,
    read_published,
    tree_files,
    verdicts_since,
)
from ringtide_engine.workflows.recompile import content_digest, recompile

SOURCE_BRANCH = "main"

ATTEMPTS = 5
"""Another publisher may win the race for a generation; five lost in a row mean that something else is wrong."""

COMPILER = f"ringtide {__version__}"

TRUST_FOLDER = "trust/"

Replay = Callable[[Repository, str], None]
"""Checks that a commit of the judge follows from its evidence; raises TrustError where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """What publishing needs of the world."""

    repository: Repository
    """The fleet repository."""
    statement: StatementSigner | None
    """Custody of the statement key; None where another job has it and hands its signature over."""
    tuf: TufSigner | None
    """Custody of the online TUF roles; None where another job has it and publishes what is signed here."""
    policies: PolicyEngine
    """Evaluates policy conditions."""
    replay: Replay
    """Checks commits of the judge."""
    notifier: Notifier | None = None
    """Tells devices; None where they only poll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What was reviewed."""

    plan: str | None = None
    """Digest of the reviewed plan; None where none was given."""
    unreviewed: bool = False
    """Accept whatever plan there is; for the first publication and for fleets of one person."""


def publish(
    publisher: Publisher,
    approval: Approval,
    now: datetime,
    *,
    refresh: bool = False,
    dry_run: bool = False,
    handed: bytes | None = None,
) -> PublishOutcome:
    """Publish the head of `main`.

    A publisher without TUF custody reserves the generation and signs the statement; one without the statement key takes
    that statement, compiles and checks everything again, and publishes it.

    Args:
        publisher: Ports.
        approval: What was reviewed.
        now: The present.
        refresh: Publish what is published already, with a new timestamp, and a new statement where it is due.
        dry_run: Compute and check everything, sign and write nothing.
        handed: The bundle that the custody of the statement key has signed, where it signed one.

    Raises:
        FindingsError: The desired state has errors that are not published already.
        InputError: No plan was approved, or trust was not established.
        TrustError: The plan is not the approved one, a verdict does not follow from its evidence, the source does not
            follow the one published last, or keys do not fit.
        TransientError: The remote does not answer, or others won every race.
    """
    now = now.replace(microsecond=0)
    for _ in range(ATTEMPTS):
        try:
            return _publish(publisher, approval, now, handed, refresh=refresh, dry_run=dry_run)
        except ConflictError:
            continue
    raise TransientError(f"other publishers won {ATTEMPTS} races in a row")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a publication is made of."""

    source: Source
    fleet: Fleet
    tree: CompiledTree
    plan: bytes
    policy: bytes
    rows: tuple[PlanRow, ...] = ()


def _publish(
    publisher: Publisher, approval: Approval, now: datetime, handed: bytes | None, *, refresh: bool, dry_run: bool
) -> PublishOutcome:
    # Read.
    repository = publisher.repository
    newest = repository.head(SOURCE_BRANCH)
    if newest is None:
        raise InputError(f"the repository has no branch {SOURCE_BRANCH}")
    branch = repository.head(PUBLISHED)
    lying = read_published(repository, branch)
    trust_files = {
        path.removeprefix(TRUST_FOLDER): content for path, content in repository.files(newest, TRUST_FOLDER).items()
    }
    trust = trust_policy_of(trust_files)
    last = believed(lying, trust)
    if refresh and last is None:
        raise InputError("nothing is published in this epoch; publish without --refresh first")
    signed_there = None if handed is None else open_handed(handed, trust, now)
    if signed_there is not None and not refresh:
        newest = source_of(repository, signed_there, newest)
    check_descent(repository, last, newest)

    # Compute.
    key = None if publisher.statement is None else publisher.statement.public_key()
    stale = last is not None and (signed_there is not None if key is None else is_stale(last, key, now))
    if refresh and last is not None:
        work = _again(repository, last, newest, stale=stale)
    else:
        _check_verdicts(publisher, newest, _replayed_until(repository, last or lying, newest))
        work = _anew(publisher, approval, last, newest, now)
    check_keys(key, trust, work.fleet)
    is_new = last is None or work.tree.head != last.head or stale
    signed = last.publication.generation if last else None
    if last is not None and not is_new and not refresh:
        if trust_is_published(trust_files, last) and work.tree.files == tree_files(last.files):
            return _outcome("unchanged", work, signed, None)
        # The statement stays, and with it the source and the records that it names.
        work = replace(_again(repository, last, newest, stale=False), tree=work.tree)
    if is_new and publisher.statement is None and signed_there is None:
        raise TrustError("PUBLISH-HANDOFF", "the custody of the statement key has not signed this; let it sign first")
    kind: Literal["published", "refreshed"] = "published" if is_new else "refreshed"
    if dry_run:
        return _outcome(kind, work, signed, None)

    # Write.
    before = lying.files if lying else {}
    online = _online(publisher.tuf, before, trust_files, work.fleet, now)
    parent, number, bundle = branch, signed or 0, last.bundle if last else b""
    if is_new and signed_there is not None:
        publication = signed_there.publication
        number, bundle = publication.generation, signed_there.bundle
        ours = _publication(work, trust.epoch, number, last, publication.issued_at)
        check_handed(signed_there, ours, following=next_generation(repository, branch, last, trust.epoch))
    elif is_new and publisher.statement is not None:
        number = next_generation(repository, branch, last, trust.epoch)
        publication = _publication(work, trust.epoch, number, last, now)
        if online is not None:
            online(bundle=_unsigned(publication))  # what the custody refuses shall not burn a generation
        parent = repository.commit(
            PUBLISHED,
            parent=branch,
            changes=generation_record(trust.epoch, number),
            message=f"Reserve generation {number}\n",
            at=now,
        )
        bundle = _sign(publisher.statement, publication)
    if online is None:
        if not is_new:
            return _outcome(kind, work, signed, None)
        return replace(_outcome("signed", work, number, None), bundle=bundle)
    files = {**work.tree.files, **online(bundle=bundle), PLAN_RECORD: work.plan, POLICY_RECORD: work.policy}
    commit = repository.commit(
        PUBLISHED,
        parent=parent,
        changes=_changes(before, files),
        message=f"{'Publish' if is_new else 'Refresh'} generation {number}\n\n"
        f"Source: {work.source.commit}\nRoot: {work.tree.head.root}\n",
        at=now,
    )
    return _outcome(kind, work, number, commit, _hint(publisher.notifier, work.fleet.name, commit))


def _online(
    custody: TufSigner | None, before: Mapping[str, bytes], trust: Mapping[str, bytes], fleet: Fleet, now: datetime
) -> Callable[..., Mapping[str, bytes]] | None:
    """Return what makes the online metadata of a bundle; None where another job does."""
    if custody is None:
        return None
    previous = {path: content for path, content in before.items() if is_tuf(path)}
    return partial(
        custody.metadata, previous=previous, trust=trust, now=now, timestamp_lifetime=fleet.timestamp_lifetime
    )


def _anew(
    publisher: Publisher,
    approval: Approval,
    last: Published | None,
    newest: str,
    now: datetime,
) -> _Work:
    """Compile the newest source, after everything that speaks against it."""
    repository = publisher.repository
    since = last.publication.source.commit if last else None
    files = repository.files(newest)
    base_files = repository.files(since) if since else None
    planned = plan_change(base_files, files, today=now.date(), engine=publisher.policies)
    outcome = planned.checked or check(files, base_files, now.date(), publisher.policies)
    is_judged = base_files is not None and with_judgement_of(base_files, files) == base_files
    state, plan = outcome.judged() if is_judged else outcome.accepted(), planned.plan
    if plan.is_empty:
        pass  # people have changed nothing since; an approval of what is published already does no harm
    elif approval.plan is not None and approval.plan != plan.digest:
        raise TrustError("PUBLISH-PLAN", f"the plan is {plan.digest} now, not the approved {approval.plan[:64]}")
    elif approval.plan is None and not approval.unreviewed:
        raise InputError(f"this changes what devices run; review it with `ringtide plan` and give --plan {plan.digest}")
    return _Work(
        source=Source(commit=newest, content_digest=content_digest(files)),
        fleet=state.fleet,
        tree=compile_tree(state, resolve(state), last.head if last else None),
        plan=plan.encode(),
        policy=outcome.policy_verdict,
        rows=plan.rows,
    )


def _again(repository: Repository, last: Published, newest: str, *, stale: bool) -> _Work:
    """Take what is published once more; where the statement is stale, it is signed over a tree compiled again."""
    fleet = load_desired(repository.files(newest, "fleet.yaml")).state
    if fleet is None:
        raise InputError(f"fleet.yaml of {SOURCE_BRANCH} cannot be read; try `ringtide check`")
    plan, policy = (last.files.get(path, b"") for path in (PLAN_RECORD, POLICY_RECORD))
    if (sha256(plan), sha256(policy)) != (last.publication.plan, last.publication.policy):
        raise TrustError("PUBLISH-RECORDS", "the records on the branch are not those that the statement names")
    tree = recompile(repository, last) if stale else CompiledTree(files=tree_files(last.files), head=last.head)
    return _Work(source=last.publication.source, fleet=fleet.fleet, tree=tree, plan=plan, policy=policy)


def _publication(work: _Work, epoch: int, generation: int, last: Published | None, now: datetime) -> Publication:
    return Publication(
        fleet=work.fleet.name,
        epoch=epoch,
        generation=generation,
        issued_at=now,
        not_after=now + work.fleet.statement_lifetime,
        head=sha256(work.tree.files[HEAD_PATH]),
        root=work.tree.head.root,
        size=work.tree.head.size,
        source=work.source,
        compiler=COMPILER,
        policy=sha256(work.policy),
        plan=sha256(work.plan),
        previous=None if last is None else Previous(generation=last.publication.generation, sha256=last.payload),
    )


def _unsigned(publication: Publication) -> bytes:
    """Return a bundle that no device believes."""
    return write_bundle(Envelope(payload=publication.encode(), payload_type=IN_TOTO, signature=bytes(64)), "unsigned")


def _sign(signer: StatementSigner, publication: Publication) -> bytes:
    """Sign a statement and return its bundle, which must pass the rules that devices apply."""
    key = signer.public_key()
    bundle = write_bundle(signer.seal(IN_TOTO, publication.encode()), key_hint(key))
    trust = TrustPolicy(fleet=publication.fleet, epoch=publication.epoch, statement_keys={key_hint(key): key})
    accept_statement(bundle, trust=trust, fleet=publication.fleet, floor=GROUND, now=publication.issued_at)
    return bundle


def _replayed_until(repository: Repository, lying: Published | None, newest: str) -> str | None:
    """Return the source of what was published last, in whichever epoch: its verdicts were replayed by the tool of then.

    A newer judge words verdicts in other ways, so after a raised epoch the whole history might never replay again.
    """
    if lying is None:
        return None
    source = lying.publication.source.commit
    try:
        return source if repository.is_ancestor(source, newest) else None
    except InputError:
        return None


def _check_verdicts(publisher: Publisher, newest: str, since: str | None) -> None:
    """Replay every commit since the last publication that touches a path of the judge."""
    for commit in verdicts_since(publisher.repository, newest, since):
        publisher.replay(publisher.repository, commit)


def _changes(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
    """Return what to commit: new and changed files, and the removal of those that are gone; records stay."""
    gone = {path: None for path in old if path not in new and not path.startswith(RECORDS)}
    return {**gone, **{path: content for path, content in new.items() if old.get(path) != content}}


def _hint(notifier: Notifier | None, fleet: str, commit: str) -> str | None:
    if notifier is None:
        return None
    try:
        notifier.hint(fleet, commit)
    except TransientError as error:
        return str(error)
    return None


def _outcome(
    kind: Literal["published", "refreshed", "unchanged", "signed"],
    work: _Work,
    generation: int | None,
    commit: str | None,
    hint_failed: str | None = None,
) -> PublishOutcome:
    return PublishOutcome(
        kind=kind,
        generation=generation,
        source=work.source.commit,
        root=work.tree.head.root,
        plan=sha256(work.plan),
        commit=commit,
        rows=work.rows,
        hint_failed=hint_failed,
    )
