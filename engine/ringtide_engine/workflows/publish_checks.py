"""What a publication is held against: the trust folder, the key, and what was published last."""

from collections.abc import Mapping
from datetime import datetime

from ringtide_contract.bundle import check_bundle
from ringtide_contract.envelope import IN_TOTO
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.keys import PublicKey, key_hint
from ringtide_contract.trust_policy import TRUST_POLICY_TARGET, TrustPolicy
from ringtide_engine.model.desired import Fleet
from ringtide_engine.model.publication import Published
from ringtide_engine.ports import Repository

RENEW_AFTER = 3
"""A statement is renewed after this fraction of its life, so that two missed renewals do no harm."""


def trust_policy_of(trust_files: Mapping[str, bytes]) -> TrustPolicy:
    """Return the trust policy among the files of `trust/`.

    Raises:
        InputError: There is none.
    """
    if TRUST_POLICY_TARGET not in trust_files:
        raise InputError("trust/ is incomplete; write it with `ringtide key establish` and merge it")
    return TrustPolicy.decode(trust_files[TRUST_POLICY_TARGET])


def check_descent(repository: Repository, last: Published | None, newest: str) -> None:
    """Refuse a source that does not follow the one published last."""
    if last is None:
        return
    try:
        follows = repository.is_ancestor(last.publication.source.commit, newest)
    except InputError as error:
        raise TrustError("PUBLISH-SOURCE", f"the source published last is not in this repository: {error}") from error
    if not follows:
        raise TrustError("PUBLISH-SOURCE", f"{newest} does not follow the source that was published last")


def check_keys(key: PublicKey | None, trust: TrustPolicy, fleet: Fleet) -> None:
    """Refuse keys and trust of another fleet; without a key, trust alone."""
    if trust.fleet != fleet.name:
        raise TrustError("PUBLISH-FLEET", f"trust/ is of the fleet {trust.fleet!r}, fleet.yaml says {fleet.name!r}")
    if key is not None and key_hint(key) not in trust.statement_keys:
        raise TrustError("PUBLISH-KEY", "the trust policy does not name the statement key of this custody")


def is_stale(last: Published, key: PublicKey, now: datetime) -> bool:
    """Tell whether the statement is due, or signed by a key that another is taking over from."""
    life = last.publication.not_after - last.publication.issued_at
    if (now - last.publication.issued_at) * RENEW_AFTER >= life:
        return True
    try:
        check_bundle(last.bundle, {key_hint(key): key}, IN_TOTO)
    except TrustError:
        return True
    return False


def trust_is_published(trust_files: Mapping[str, bytes], last: Published) -> bool:
    """Tell whether devices can see the newest root, targets and trust policy already."""
    newest = max(
        (name for name in trust_files if name.endswith(".targets.json")),
        key=lambda name: int(number) if (number := name.partition(".")[0]).isdecimal() else 0,
        default="",
    )
    names = [name for name in trust_files if name.endswith(".root.json") or name == newest]
    return all(last.files.get(f"metadata/{name}") == trust_files[name] for name in names)
