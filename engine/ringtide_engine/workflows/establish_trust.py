"""The key ceremony: TUF root and targets metadata and the trust policy, made offline and committed under `trust/`.

Root names the keys of every role; targets signs the trust policy, which names the statement keys, and hands statements
to the online role `release`. Each ceremony writes new versions beside the old ones, signed by the old root too, so that
a device follows the chain from the root it was enrolled with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    Role,
    Root,
    TargetFile,
    Targets,
)
from tuf.api.serialization import DeserializationError

from ringtide_contract.errors import InputError
from ringtide_contract.keys import PrivateKey, PublicKey, key_hint
from ringtide_contract.trust_policy import TRUST_POLICY_TARGET, TrustPolicy

ROOT_THRESHOLD = 3
TARGETS_THRESHOLD = 2

OFFLINE_LIFETIME = timedelta(days=365)
"""Root and targets are renewed once a year; devices serve on if the ceremony is late, and install nothing new."""

ONLINE_ROLES = ("release", "snapshot", "timestamp")

T = TypeVar("T", Root, Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyKeys:
    """The keys of an offline role."""

    public: tuple[PublicKey, ...]
    """Every key of the role."""
    private: tuple[PrivateKey, ...]
    """Those at hand to sign with; for root also keys that only the previous root names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceremony:
    """What a ceremony is to write."""

    fleet: str
    """Name of the fleet."""
    root: CustodyKeys | None
    """Root keys; None keeps the root that is there."""
    targets: CustodyKeys
    """Targets keys."""
    online: Mapping[str, PublicKey] | None
    """Keys of release, snapshot and timestamp; None keeps those that are there. Needed where `root` is given."""
    statement: Sequence[PublicKey]
    """Keys that may sign statements; two while one takes over from the other."""
    epoch: int | None
    """Epoch; None keeps it. Raised after a theft of a statement key."""


def establish_trust(trust: Mapping[str, bytes], ceremony: Ceremony, now: datetime) -> Mapping[str, bytes]:
    """Return the new files of the folder `trust/`, by name.

    Args:
        trust: The files that are there, by name.
        ceremony: Keys and epoch.
        now: The present.

    Raises:
        InputError: Keys are missing, too few signed, or the epoch would go down.
    """
    expires = now.replace(microsecond=0) + OFFLINE_LIFETIME
    old_root = newest(trust, "root", Root)
    old_targets = newest(trust, "targets", Targets)
    policy = _trust_policy(trust, ceremony)
    if ceremony.root is not None:
        root = _next_root(old_root, ceremony, ceremony.root, expires)
    elif old_root is not None:
        root = old_root
    else:
        raise InputError("the first ceremony needs the root keys; name their folder with --root")
    targets = _next_targets(old_targets, ceremony, policy.encode(), expires)
    try:
        root.signed.verify_delegate("targets", targets.signed_bytes, targets.signatures)
    except RepositoryError as error:
        raise InputError(
            f"{TARGETS_THRESHOLD} targets keys that the root names must sign; give the root keys too to change them"
        ) from error
    files = {
        f"{targets.signed.version}.targets.json": targets.to_bytes(),
        TRUST_POLICY_TARGET: policy.encode(),
    }
    if ceremony.root is not None:
        files[f"{root.signed.version}.root.json"] = root.to_bytes()
    return files


def newest(trust: Mapping[str, bytes], role: str, kind: type[T]) -> Metadata[T] | None:
    """Return the metadata of `role` with the highest version in a trust folder, None where there is none.

    Raises:
        InputError: A file is not metadata of that role, or is called by another version.
    """
    ending = f".{role}.json"
    numbers = [name.removesuffix(ending) for name in trust if name.endswith(ending)]
    versions = sorted(int(number) for number in numbers if number.isdecimal())
    if not versions:
        return None
    name = f"{versions[-1]}{ending}"
    try:
        metadata: Metadata[T] = Metadata.from_bytes(trust[name])
    except DeserializationError as error:
        raise InputError(f"trust/{name} is not TUF metadata") from error
    if not isinstance(metadata.signed, kind) or metadata.signed.version != versions[-1]:
        raise InputError(f"trust/{name} holds other metadata than its name says")
    return metadata


def _trust_policy(trust: Mapping[str, bytes], ceremony: Ceremony) -> TrustPolicy:
    before = TrustPolicy.decode(trust[TRUST_POLICY_TARGET]) if TRUST_POLICY_TARGET in trust else None
    if before is not None and before.fleet != ceremony.fleet:
        raise InputError(f"trust/ belongs to the fleet {before.fleet!r}, fleet.yaml says {ceremony.fleet!r}")
    epoch = ceremony.epoch or (before.epoch if before else 1)
    if before is not None and epoch < before.epoch:
        raise InputError(f"the epoch never goes down: it is {before.epoch}, not {epoch}")
    keys = {key_hint(key): key for key in ceremony.statement}
    if not keys:
        raise InputError("a trust policy without a statement key trusts nobody; name a folder with --statement")
    return TrustPolicy(fleet=ceremony.fleet, epoch=epoch, statement_keys=keys)


def _next_root(
    old: Metadata[Root] | None, ceremony: Ceremony, custody: CustodyKeys, expires: datetime
) -> Metadata[Root]:
    online = ceremony.online
    if online is None or set(online) < set(ONLINE_ROLES):
        raise InputError(f"the root names the keys of {', '.join(ONLINE_ROLES)}; name their folder with --tuf")
    keys: dict[str, SSlibKey] = {}

    def role(public: Sequence[PublicKey], threshold: int) -> Role:
        made = [SSlibKey.from_crypto(key) for key in public]
        keys.update({key.keyid: key for key in made})
        if len({key.keyid for key in made}) < threshold:
            raise InputError(f"{len(made)} public keys where {threshold} must sign")
        return Role([key.keyid for key in made], threshold)

    roles = {
        "root": role(custody.public, ROOT_THRESHOLD),
        "targets": role(ceremony.targets.public, TARGETS_THRESHOLD),
        "snapshot": role([online["snapshot"]], 1),
        "timestamp": role([online["timestamp"]], 1),
    }
    version = 1 if old is None else old.signed.version + 1
    root = Metadata(Root(version=version, expires=expires, keys=dict(keys), roles=roles, consistent_snapshot=True))
    named = set(roles["root"].keyids) | set(old.signed.roles["root"].keyids if old else ())
    _sign(root, custody.private, named)
    for signer, whose in ((root, "new"), (old, "previous")):
        if signer is not None:
            try:
                signer.signed.verify_delegate("root", root.signed_bytes, root.signatures)
            except RepositoryError as error:
                raise InputError(
                    f"{signer.signed.roles['root'].threshold} keys of the {whose} root must sign; name every folder "
                    "that holds some of them with --sign-with"
                ) from error
    return root


def _next_targets(
    old: Metadata[Targets] | None, ceremony: Ceremony, policy: bytes, expires: datetime
) -> Metadata[Targets]:
    if ceremony.online is not None and "release" in ceremony.online:
        key = SSlibKey.from_crypto(ceremony.online["release"])
        role = DelegatedRole("release", [key.keyid], threshold=1, terminating=True, paths=["release/*"])
        delegations = Delegations(keys={key.keyid: key}, roles={"release": role})
    elif old is not None and old.signed.delegations is not None:
        delegations = old.signed.delegations
    else:
        raise InputError("the first ceremony needs the key of the role release; name its folder with --tuf")
    signed = Targets(
        version=1 if old is None else old.signed.version + 1,
        expires=expires,
        targets={TRUST_POLICY_TARGET: TargetFile.from_data(TRUST_POLICY_TARGET, policy, ["sha256"])},
        delegations=delegations,
    )
    targets = Metadata(signed)
    _sign(targets, ceremony.targets.private, {SSlibKey.from_crypto(key).keyid for key in ceremony.targets.public})
    return targets


def _sign(metadata: Metadata[T], private: Sequence[PrivateKey], named: set[str]) -> None:
    """Sign with those keys that are among `named`."""
    for key in private:
        public = SSlibKey.from_crypto(key.public_key())
        if public.keyid in named:
            metadata.sign(CryptoSigner(key, public), append=True)
