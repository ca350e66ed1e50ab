"""The online TUF roles, with keys in a folder: release, snapshot, timestamp. Constant size for any fleet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from ringtide_contract import fields
from ringtide_contract.bundle import MAX_BUNDLE_BYTES
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import sha256
from ringtide_contract.keys import PrivateKey
from ringtide_contract.statement import Publication
from ringtide_contract.trust_policy import STATEMENT_TARGET, TRUST_POLICY_TARGET
from ringtide_engine.adapters.key_folders import private_keys

T = TypeVar("T", Root, Targets, Snapshot, Timestamp)

ROLES = ("release", "snapshot", "timestamp")


class TufCustody:
    """Implements `ports.TufSigner` with `release.pem`, `snapshot.pem` and `timestamp.pem` in a folder."""

    def __init__(self, folder: Path) -> None:
        """Read the keys.

        Raises:
            InputError: One is missing, unreadable, or open to others.
        """
        found = private_keys(folder)
        missing = [role for role in ROLES if role not in found]
        if missing:
            raise InputError(f"{folder} holds no {missing[0]}.pem; make it with `ringtide key new tuf {folder}`")
        self._signers = {role: _signer(found[role]) for role in ROLES}

    def metadata(
        self,
        *,
        previous: Mapping[str, bytes],
        trust: Mapping[str, bytes],
        bundle: bytes,
        now: datetime,
        timestamp_lifetime: timedelta,
    ) -> Mapping[str, bytes]:
        """Return the files under `metadata/` and `targets/` that publish `bundle`.

        A release or snapshot that still says the same and is signed by the key in force keeps its bytes; the timestamp
        is always new.
        """
        offline = _Offline.read(trust)
        self._check_keys(offline)
        before = _Online.read(previous, offline.roots)
        expires = _publication(bundle).not_after

        release = before.release
        if release is None or not offline.believes_release(release) or not _says(release.signed, bundle):
            release = Metadata(
                Targets(
                    version=before.release_version + 1,
                    expires=expires,
                    targets={STATEMENT_TARGET: TargetFile.from_data(STATEMENT_TARGET, bundle, ["sha256"])},
                )
            )
            release.sign(self._signers["release"])
        snapshot = before.snapshot
        meta = {"targets.json": offline.targets.signed.version, "release.json": release.signed.version}
        if snapshot is None or not offline.believes("snapshot", snapshot) or _versions(snapshot.signed) != meta:
            version = before.snapshot_version + 1
            files = {name: MetaFile(number) for name, number in meta.items()}
            snapshot = Metadata(Snapshot(version=version, expires=expires, meta=files))
            snapshot.sign(self._signers["snapshot"])
        timestamp = Metadata(
            Timestamp(
                version=before.timestamp_version + 1,
                expires=now.replace(microsecond=0) + timestamp_lifetime,
                snapshot_meta=MetaFile(snapshot.signed.version),
            )
        )
        timestamp.sign(self._signers["timestamp"])
        return {
            **offline.files,
            "metadata/timestamp.json": timestamp.to_bytes(),
            f"metadata/{snapshot.signed.version}.snapshot.json": snapshot.to_bytes(),
            f"metadata/{release.signed.version}.release.json": release.to_bytes(),
            target_path(STATEMENT_TARGET, bundle): bundle,
        }

    def _check_keys(self, offline: "_Offline") -> None:
        for role in ROLES:
            if self._signers[role].public_key.keyid not in offline.key_ids(role):
                raise TrustError("CUSTODY-KEY", f"trust/ names another key for the role {role} than this custody holds")


def target_path(name: str, content: bytes) -> str:
    """Return where a TUF target lies among the published files: its digest before its name (consistent snapshots)."""
    folder, _, last = name.rpartition("/")
    return "/".join(part for part in ("targets", folder, f"{sha256(content)}.{last}") if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offline:
    """What the offline keys say: the chain of roots, and the newest targets."""

    roots: tuple[Metadata[Root], ...]
    targets: Metadata[Targets]
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, trust: Mapping[str, bytes]) -> "_Offline":
        names = {role: _numbered(trust, role) for role in ("root", "targets")}
        if not names["root"] or not names["targets"] or TRUST_POLICY_TARGET not in trust:
            raise InputError("trust/ is incomplete; write it with `ringtide key establish`")
        roots = tuple(_parse(Root, f"trust/{name}", trust[name]) for name in names["root"])
        newest = names["targets"][-1]
        targets = _parse(Targets, f"trust/{newest}", trust[newest])
        policy = trust[TRUST_POLICY_TARGET]
        try:
            roots[-1].signed.verify_delegate("targets", targets.signed_bytes, targets.signatures)
            targets.signed.targets[TRUST_POLICY_TARGET].verify_length_and_hashes(policy)
        except (RepositoryError, KeyError) as error:
            raise TrustError("CUSTODY-TARGETS", f"trust/{newest} and the files beside it do not agree") from error
        files = {f"metadata/{name}": trust[name] for name in (*names["root"], newest)}
        return cls(roots=roots, targets=targets, files={**files, target_path(TRUST_POLICY_TARGET, policy): policy})

    def key_ids(self, role: str) -> Iterable[str]:
        if role != "release":
            return self.roots[-1].signed.roles[role].keyids
        delegations = self.targets.signed.delegations
        roles = (delegations.roles or {}) if delegations else {}
        return roles["release"].keyids if "release" in roles else ()

    def believes(self, role: str, metadata: Metadata[Snapshot] | Metadata[Timestamp]) -> bool:
        return _verified([self.roots[-1]], role, metadata)

    def believes_release(self, release: Metadata[Targets]) -> bool:
        try:
            self.targets.signed.verify_delegate("release", release.signed_bytes, release.signatures)
        except (RepositoryError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Online:
    """What was published last."""

    timestamp_version: int
    snapshot_version: int
    release_version: int
    snapshot: Metadata[Snapshot] | None
    release: Metadata[Targets] | None

    @classmethod
    def read(cls, previous: Mapping[str, bytes], roots: Iterable[Metadata[Root]]) -> "_Online":
        """Read the last publication; what no root of the chain ever signed is refused, so that nobody pushes numbers up."""
        if "metadata/timestamp.json" not in previous:
            return cls(timestamp_version=0, snapshot_version=0, release_version=0, snapshot=None, release=None)
        timestamp = _published(Timestamp, "timestamp.json", previous)
        version = timestamp.signed.snapshot_meta.version
        snapshot = _published(Snapshot, f"{version}.snapshot.json", previous)
        if not _verified(roots, "timestamp", timestamp) or not _verified(roots, "snapshot", snapshot):
            raise TrustError(
                "CUSTODY-PREVIOUS", "what was published last is not signed by a key that trust/ ever named"
            )
        number = _versions(snapshot.signed).get("release.json", 0)
        return cls(
            timestamp_version=timestamp.signed.version,
            snapshot_version=snapshot.signed.version,
            release_version=number,
            snapshot=snapshot,
            release=_published(Targets, f"{number}.release.json", previous),
        )


def _signer(key: PrivateKey) -> CryptoSigner:
    return CryptoSigner(key, SSlibKey.from_crypto(key.public_key()))


def _numbered(trust: Mapping[str, bytes], role: str) -> list[str]:
    ending = f".{role}.json"
    names = [name for name in trust if name.endswith(ending) and name.removesuffix(ending).isdecimal()]
    return sorted(names, key=lambda name: int(name.removesuffix(ending)))


def _parse(kind: type[T], name: str, content: bytes) -> Metadata[T]:
    try:
        metadata: Metadata[T] = Metadata.from_bytes(content)
    except DeserializationError as error:
        raise InputError(f"{name} is not TUF metadata") from error
    if not isinstance(metadata.signed, kind):
        raise InputError(f"{name} is metadata of another role")
    return metadata


def _published(kind: type[T], name: str, previous: Mapping[str, bytes]) -> Metadata[T]:
    content = previous.get(f"metadata/{name}")
    if content is None:
        raise TrustError("CUSTODY-PREVIOUS", f"what was published last lacks metadata/{name}")
    return _parse(kind, f"metadata/{name}", content)


def _verified(roots: Iterable[Metadata[Root]], role: str, metadata: Metadata[Snapshot] | Metadata[Timestamp]) -> bool:
    for root in roots:
        try:
            root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except RepositoryError:
            continue
        return True
    return False


def _says(release: Targets, bundle: bytes) -> bool:
    target = release.targets.get(STATEMENT_TARGET)
    if target is None:
        return False
    try:
        target.verify_length_and_hashes(bundle)
    except LengthOrHashMismatchError:
        return False
    return True


def _versions(snapshot: Snapshot) -> dict[str, int]:
    return {name: meta.version for name, meta in snapshot.meta.items()}


def _publication(bundle: bytes) -> Publication:
    data = fields.members(decode(bundle, limit=MAX_BUNDLE_BYTES), "bundle")
    return Publication.decode(Envelope.from_dict(data.get("dsseEnvelope")).payload)
