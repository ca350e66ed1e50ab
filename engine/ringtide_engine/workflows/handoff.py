"""Two custodies in two jobs: a statement signed in one, checked against a compilation of its own in the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract.acceptance import GROUND, accept_statement
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.statement import Publication
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine.ports import Repository

HANDOFF_LIMIT = timedelta(days=1)
"""How long a statement may wait for the other custody, and for whoever approves its job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A statement that the other custody has signed."""

    bundle: bytes
    """Its bundle."""
    publication: Publication
    """What it says."""


def open_handed(bundle: bytes, trust: TrustPolicy, now: datetime) -> Handed:
    """Check the signature and the age of a statement that was handed over.

    Raises:
        TrustError: It is not signed by a key of the trust policy, not for this fleet and epoch, or not of today.
    """
    publication, _ = accept_statement(bundle, trust=trust, fleet=trust.fleet, floor=GROUND, now=now)
    if abs(now - publication.issued_at) > HANDOFF_LIMIT:
        raise TrustError("PUBLISH-HANDOFF", "the statement was not signed within a day of now; sign it again")
    return Handed(bundle=bundle, publication=publication)


def check_handed(handed: Handed, ours: Publication, *, following: int) -> None:
    """Refuse a statement that is not what this job makes of the same source.

    Args:
        handed: What was handed over.
        ours: The statement that this job would have signed, with the number and the times of that one.
        following: The generation that would be reserved now.

    Raises:
        TrustError: They differ, or its number is not the one that was reserved last.
    """
    if handed.publication.encode() != ours.encode():
        raise TrustError("PUBLISH-HANDOFF", "the statement says other things than this job compiles from its source")
    before = 0 if ours.previous is None else ours.previous.generation
    if not before < ours.generation == following - 1:
        raise TrustError("PUBLISH-HANDOFF", f"generation {ours.generation} is not the one that was reserved last")


def source_of(repository: Repository, handed: Handed, newest: str) -> str:
    """Return the commit that a handed statement was made of, which must be on the branch whose newest commit is given."""
    source = handed.publication.source.commit
    try:
        merged = repository.is_ancestor(source, newest)
    except InputError:
        merged = False
    if not merged:
        raise TrustError("PUBLISH-HANDOFF", f"the statement is about {source}, which is not on the branch")
    return source
