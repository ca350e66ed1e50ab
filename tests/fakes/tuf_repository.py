"""A TUF repository of one fleet in memory, with every key at hand: root 3 of 5, targets 2 of 3, the rest 1 of 1."""

# mypy: disable-error-code="attr-defined, type-var"

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from ringtide_contract.ids import sha256
from ringtide_contract.keys import PublicKey, key_hint
from ringtide_contract.trust_policy import STATEMENT_TARGET, TRUST_POLICY_TARGET, TrustPolicy

RELEASE = "release"

EXPIRY: Mapping[str, timedelta] = {
    Root.type: timedelta(days=365),
    Targets.type: timedelta(days=180),
    RELEASE: timedelta(days=90),
    Snapshot.type: timedelta(days=30),
    Timestamp.type: timedelta(days=7),
}


class TufRepository:
    """Publishes trust policies and statements, and lets a test do what a thief of any key could do.

    `files` is what a mirror holds, by path: `metadata/1.root.json`, `targets/release/<sha256>.statement.sigstore.json`.
    """

    def __init__(self, *, fleet: str, statement_keys: Iterable[PublicKey], now: datetime, epoch: int = 1) -> None:
        """Make keys, sign a root, and publish a trust policy without a statement."""
        self.files: dict[str, bytes] = {}
        self.signers: dict[str, list[CryptoSigner]] = {
            Root.type: _signers(5),
            Targets.type: _signers(3),
            RELEASE: _signers(1),
            Snapshot.type: _signers(1),
            Timestamp.type: _signers(1),
        }
        self.thresholds = {Root.type: 3, Targets.type: 2, RELEASE: 1, Snapshot.type: 1, Timestamp.type: 1}
        self.root = Root(consistent_snapshot=True)
        self.targets, self.release, self.snapshot, self.timestamp = Targets(), Targets(), Snapshot(), Timestamp()
        for signed in (self.root, self.targets, self.release, self.snapshot, self.timestamp):
            signed.version = 0  # the first signature makes it 1
        self.sign_root(now)
        keys = {key_hint(key): key for key in statement_keys}
        self.policy = TrustPolicy(fleet=fleet, epoch=epoch, statement_keys=keys).encode()
        self.set_policy(self.policy, now)

    @property
    def trusted_root(self) -> bytes:
        """The root that devices are enrolled with."""
        return self.files["metadata/1.root.json"]

    def sign_root(self, now: datetime, *, signers: Sequence[CryptoSigner] = ()) -> None:
        """Publish the next root, by `signers` beside as many root keys as the threshold asks for."""
        keyids: set[str] = {keyid for role in self.root.roles.values() for keyid in role.keyids}
        for role in (Root.type, Targets.type, Snapshot.type, Timestamp.type):
            self.root.roles[role].keyids.clear()
            self.root.roles[role].threshold = self.thresholds[role]
            for signer in self.signers[role]:
                self.root.add_key(signer.public_key, role)
        for keyid in keyids - {keyid for role in self.root.roles.values() for keyid in role.keyids}:
            self.root.keys.pop(keyid, None)
        chosen = [*self.signers[Root.type][: self.thresholds[Root.type]], *signers]
        content = self._sign(self.root, chosen, now, EXPIRY[Root.type])
        self.files[f"metadata/{self.root.version}.root.json"] = content

    def rotate(self, role: str, now: datetime) -> None:
        """Replace every key of a top-level role; a root rotation is signed by the old keys and the new."""
        old = self.signers[role]
        self.signers[role] = _signers(len(old))
        self.sign_root(now, signers=old if role == Root.type else ())

    def set_policy(self, content: bytes, now: datetime) -> None:
        """Publish a trust policy and the delegation of `release/*`."""
        signer = self.signers[RELEASE][0]
        role = DelegatedRole(RELEASE, [], 1, terminating=True, paths=["release/*"])
        self.targets.delegations = Delegations({}, {RELEASE: role})
        self.targets.add_key(signer.public_key, RELEASE)
        self.targets.targets[TRUST_POLICY_TARGET] = _target(TRUST_POLICY_TARGET, content)
        self.files[f"targets/{sha256(content)}.{TRUST_POLICY_TARGET}"] = content
        self._write(self.targets, Targets.type, now)
        self._write(self.release, RELEASE, now)
        self.refresh(now)

    def publish(self, bundle: bytes, now: datetime) -> None:
        """Publish a statement's bundle."""
        self.release.targets[STATEMENT_TARGET] = _target(STATEMENT_TARGET, bundle)
        folder, _, name = STATEMENT_TARGET.rpartition("/")
        self.files[f"targets/{folder}/{sha256(bundle)}.{name}"] = bundle
        self._write(self.release, RELEASE, now)
        self.refresh(now)

    def refresh(self, now: datetime, *, signer: CryptoSigner | None = None) -> None:
        """Sign a new snapshot and timestamp over what is there, the timestamp by `signer` where one is given."""
        for name, signed in (("targets.json", self.targets), ("release.json", self.release)):
            self.snapshot.meta[name] = MetaFile(version=signed.version)
        self._write(self.snapshot, Snapshot.type, now)
        self.renew_timestamp(now, signer=signer)

    def renew_timestamp(self, now: datetime, *, signer: CryptoSigner | None = None) -> None:
        """Sign a new timestamp alone."""
        self.timestamp.snapshot_meta = MetaFile(version=self.snapshot.version)
        signers = [signer or self.signers[Timestamp.type][0]]
        self.files["metadata/timestamp.json"] = self._sign(self.timestamp, signers, now, EXPIRY[Timestamp.type])

    def _write(self, signed: Signed, role: str, now: datetime) -> None:
        content = self._sign(signed, self.signers[role][: self.thresholds[role]], now, EXPIRY[role])
        self.files[f"metadata/{signed.version}.{role}.json"] = content

    def _sign(self, signed: Signed, signers: Sequence[CryptoSigner], now: datetime, lasts: timedelta) -> bytes:
        signed.version += 1
        signed.expires = (now + lasts).replace(microsecond=0)
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer(compact=True))


def new_signer() -> CryptoSigner:
    """Return a key that nobody trusts yet."""
    return CryptoSigner.generate_ed25519()


def _signers(count: int) -> list[CryptoSigner]:
    return [new_signer() for _ in range(count)]


def _target(name: str, content: bytes) -> TargetFile:
    return TargetFile.from_data(name, content, ["sha256"])
