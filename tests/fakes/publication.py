"""A whole publication in memory: real keys, real Merkle tree, real bundle; only TUF is left out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ringtide_contract import keys
from ringtide_contract.bundle import write_bundle
from ringtide_contract.class_file import ClassFile, ClassRollout, RingRange
from ringtide_contract.envelope import IN_TOTO, seal
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.index import CatalogShard, IndexRow, IndexShard
from ringtide_contract.manifest import Artifact, Budget, Golden, Manifest, Probation, Runtime, TensorSpec
from ringtide_contract.membership import EVERYBODY, Cut, salt
from ringtide_contract.quarantine import Quarantine, QuarantineEntry
from ringtide_contract.statement import Publication, Source
from ringtide_contract.tree import (
    HEAD_PATH,
    QUARANTINE_PATH,
    catalog_path,
    class_path,
    class_prefix,
    device_prefix,
    index_path,
    leaf_hash,
    make_tiles,
    manifest_path,
    root_hash,
)
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_contract.windows import Window

FLEET = "harbour"
CLASS_ID = "00112233445566aa"
HARDWARE_CLASS = "jetson-nano"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)  # a Monday
BUNDLE_PATH = "bundle.sigstore.json"
"""Where the fake trust finds the bundle; real ones find it by TUF."""

KEY = keys.generate()
ZERO = Digest("0" * 64)


def artifact_content(name: str) -> bytes:
    """Return the content of a made-up artifact."""
    return f"content of {name}".encode() * 8


def make_manifest(
    release: str,
    *,
    model: str = "digits",
    hardware_class: str = HARDWARE_CLASS,
    attempt: int = 0,
    probation: Probation | None = None,
) -> Manifest:
    """Return a manifest whose artifacts have the content of `artifact_content`."""
    artifacts = tuple(
        Artifact(
            name=name,
            sha256=sha256(artifact_content(f"{model}-{release}-{name}")),
            size_bytes=len(artifact_content(f"{model}-{release}-{name}")),
            uris=(f"memory:{model}-{release}-{name}",),
        )
        for name in ("model.onnx", "golden.json")
    )
    return Manifest(
        model=model,
        release=release,
        variant="fp32",
        hardware_class=hardware_class,
        graph="model.onnx",
        artifacts=artifacts,
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 64)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 10)),),
        golden=Golden(artifact="golden.json", tolerance_ppm=1000),
        budget=Budget(p95_latency_us=5000, peak_memory_bytes=64 << 20),
        probation=probation
        or Probation(
            seconds=60, min_requests=0, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=0
        ),
        runtime=Runtime(onnxruntime=">=1.20", opset=17, providers=("CPUExecutionProvider",), threads=1),
        attempt=attempt,
    )


def make_ring(
    *, cut: int = EVERYBODY, not_before: datetime = START, spread_s: int = 0, windows: Sequence[Window] = ()
) -> RingRange:
    """Return an open ring."""
    return RingRange(ring="canary", cut=Cut(cut), not_before=not_before, spread_s=spread_s, windows=tuple(windows))


def steady(stable: Manifest | None, *, model: str = "digits", class_id: str = CLASS_ID) -> ClassFile:
    """Return a class file of a steady state."""
    digest = None if stable is None else sha256(stable.encode())
    return ClassFile(class_id=class_id, model=model, stable=digest, rollout=None)


def rolling(stable: Manifest, candidate: Manifest, ring: RingRange, *, class_id: str = CLASS_ID) -> ClassFile:
    """Return a class file of a rollout with one open ring."""
    rollout = ClassRollout(
        rollout="spring",
        salt=salt(FLEET, "spring", candidate.release),
        unit="device",
        manifest=sha256(candidate.encode()),
        ranges=(ring,),
    )
    digest = sha256(stable.encode())
    return ClassFile(class_id=class_id, model=stable.model, stable=digest, rollout=rollout)


def ban(manifest: Manifest) -> QuarantineEntry:
    """Return a quarantine entry against all variants of a release."""
    graph = manifest.artifact(manifest.graph).sha256
    return QuarantineEntry(
        subject="release", model=manifest.model, release=manifest.release, graphs=(graph,), reason="it saw eights"
    )


def build_publication(
    devices: Mapping[DeviceId, IndexRow],
    class_files: Sequence[ClassFile],
    manifests: Sequence[Manifest],
    generation: int,
    *,
    epoch: int = 1,
    quarantine: Sequence[QuarantineEntry] = (),
    issued_at: datetime = START,
    not_after: datetime | None = None,
    index_bits: int = 2,
    catalog_bits: int = 1,
    key: keys.PrivateKey = KEY,
    note: str = "",
) -> dict[str, bytes]:
    """Return every file of a published tree by path, the statement's bundle at `BUNDLE_PATH`.

    Args:
        devices: The index.
        class_files: One for each class and model.
        manifests: Every manifest that a class file or a pin names.
        generation: The number.
        epoch: The epoch.
        quarantine: The quarantine list.
        issued_at: When it is signed.
        not_after: When it expires; 30 days later by default.
        index_bits: Prefix bits of the index.
        catalog_bits: Prefix bits of the catalog.
        key: Signs the statement.
        note: Makes the statement another one under the same number.
    """
    files: dict[str, bytes] = {}
    leaves: list[str] = []
    for prefix in range(1 << index_bits):
        rows = {device: row for device, row in devices.items() if device_prefix(device, index_bits) == prefix}
        files[index_path(index_bits, prefix)] = IndexShard(devices=rows).encode()
        leaves.append(index_path(index_bits, prefix))
    catalog: dict[str, dict[str, Digest]] = {}
    for file in class_files:
        files[class_path(file.class_id, file.model)] = file.encode()
        catalog.setdefault(file.class_id, {})[file.model] = sha256(file.encode())
    for prefix in range(1 << catalog_bits):
        shard = {name: models for name, models in catalog.items() if class_prefix(name, catalog_bits) == prefix}
        files[catalog_path(catalog_bits, prefix)] = CatalogShard(classes=shard).encode()
        leaves.append(catalog_path(catalog_bits, prefix))
    files[QUARANTINE_PATH] = Quarantine(entries=tuple(quarantine)).encode()
    leaves.append(QUARANTINE_PATH)
    for manifest in manifests:
        files[manifest_path(sha256(manifest.encode()))] = manifest.encode()
    hashes = [leaf_hash(path, sha256(files[path])) for path in leaves]
    files.update(make_tiles(hashes))
    root = Digest(root_hash(hashes).hex())
    head = TreeHead(fleet=FLEET, index_bits=index_bits, catalog_bits=catalog_bits, root=root)
    files[HEAD_PATH] = head.encode()
    statement = Publication(
        fleet=FLEET,
        epoch=epoch,
        generation=generation,
        issued_at=issued_at,
        not_after=not_after or issued_at + timedelta(days=30),
        head=sha256(head.encode()),
        root=root,
        size=head.size,
        source=Source(commit=hashlib.sha1(note.encode()).hexdigest(), content_digest=ZERO),
        compiler="ringtide test",
        policy=ZERO,
        plan=ZERO,
        previous=None,
    )
    envelope = seal(key, IN_TOTO, statement.encode())
    files[BUNDLE_PATH] = write_bundle(envelope, keys.key_hint(key.public_key()))
    return files


def trust_policy(*, epoch: int = 1, key: keys.PrivateKey = KEY) -> TrustPolicy:
    """Return the trust policy that believes `key`."""
    public = key.public_key()
    return TrustPolicy(fleet=FLEET, epoch=epoch, statement_keys={keys.key_hint(public): public})


@dataclass(kw_only=True)
class Publisher:
    """Publishes one generation after the other for one device, with defaults for everything a test does not say."""

    device: DeviceId
    """The device."""
    generation: int = 0
    """The last number."""
    row: IndexRow = field(default_factory=lambda: IndexRow(class_id=CLASS_ID, state="active"))
    """Its index row."""

    def publish(
        self,
        *class_files: ClassFile,
        manifests: Sequence[Manifest] = (),
        state: str | None = None,
        generation: int | None = None,
        **options: object,
    ) -> dict[str, bytes]:
        """Return the files of the next generation."""
        self.generation = self.generation + 1 if generation is None else generation
        row = self.row if state is None else replace(self.row, state=state)  # type: ignore[arg-type]
        return build_publication(
            {self.device: row},
            class_files,
            manifests,
            self.generation,
            **options,  # type: ignore[arg-type]
        )
