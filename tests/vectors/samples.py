"""A small fleet with every document of the wire, built from fixed values, and the means to publish it.

`compile_tree` takes bytes as they are, so that a test can also publish what no honest compiler would.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ringtide_contract.artifact import CHUNK_BYTES, PATCH_FROM, Artifact, ChunkList, Delta, write_chunk_list
from ringtide_contract.bundle import write_bundle
from ringtide_contract.class_file import ClassFile, ClassRollout, RingRange
from ringtide_contract.envelope import IN_TOTO, REPORT, Envelope, pae
from ringtide_contract.head import TreeHead
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.index import CatalogShard, IndexRow, IndexShard
from ringtide_contract.keys import PrivateKey, key_hint
from ringtide_contract.manifest import Budget, Golden, Manifest, Probation, Runtime, TensorSpec
from ringtide_contract.membership import salt, share_cut
from ringtide_contract.quarantine import Quarantine, QuarantineEntry
from ringtide_contract.report import Condition, Counters, Failure, ModelReport, Report, Running
from ringtide_contract.sketch import LatencySketch, bucket_of, merge
from ringtide_contract.statement import Previous, Publication, Source
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
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
INDEX_BITS, CATALOG_BITS = 2, 1


def fixed_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 key that everybody can compute from its name: for tests, never for a fleet."""
    digest = hashlib.sha256(f"ringtide TEST ONLY {name}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest, "big") >> 1, ec.SECP256R1())


STATEMENT_KEY = fixed_key("statement")
SECOND_KEY = fixed_key("statement, the next")
DEVICE_KEY = fixed_key("device gate-04")
STRANGER_KEY = fixed_key("stranger")
ED25519_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"ringtide TEST ONLY ed25519").digest())


def seal_again(key: PrivateKey, payload_type: str, payload: bytes) -> Envelope:
    """Sign as `envelope.seal` does, but with the nonce of RFC 6979, so that a golden signature stays the same."""
    message = pae(payload_type, payload)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    else:
        signature = key.sign(message)
    return Envelope(payload=payload, payload_type=payload_type, signature=signature)


def manifest(model: str, release: str, variant: str = "fp32", hardware_class: str = "gate-arm64") -> Manifest:
    """Return a whole manifest whose digests follow from its names."""
    graph = sha256(f"graph {model} {release} {variant}".encode())
    golden = sha256(f"golden {model} {release}".encode())
    artifacts = (
        Artifact(name="model.onnx", sha256=graph, size_bytes=48213, uris=(f"https://models.example/{graph}",)),
        Artifact(name="golden.json", sha256=golden, size_bytes=901, uris=(f"https://models.example/{golden}",)),
    )
    return Manifest(
        model=model,
        release=release,
        variant=variant,
        hardware_class=hardware_class,
        graph="model.onnx",
        artifacts=artifacts,
        inputs=(TensorSpec(name="pixels", datatype="FP32", shape=(-1, 1, 28, 28)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 10)),),
        golden=Golden(artifact="golden.json", tolerance_ppm=1000),
        budget=Budget(p95_latency_us=20_000, peak_memory_bytes=268_435_456),
        probation=Probation(
            seconds=600, min_requests=50, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=900_000
        ),
        runtime=Runtime(onnxruntime=">=1.20,<2", opset=17, providers=("CPUExecutionProvider",), threads=2),
    )


LARGE = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(CHUNK_BYTES // 32)) * 2 + b"end"
"""Two pieces and a bit."""


def offers(name: str, base: Digest, content: bytes = LARGE) -> Artifact:
    """Return an artifact with a chunk list and a delta whose digests follow from its name."""
    whole, chunks, delta = sha256(content), sha256(write_chunk_list(content)), sha256(f"delta {name}".encode())
    store = "https://models.example"
    return Artifact(
        name="model.onnx",
        sha256=whole,
        size_bytes=len(content),
        uris=(f"{store}/{whole}",),
        chunks=ChunkList(sha256=chunks, uris=(f"{store}/{chunks}",)),
        deltas=(Delta(base=base, method=PATCH_FROM, sha256=delta, size_bytes=2445, uris=(f"{store}/{delta}",)),),
    )


STABLE = manifest("gauge", "1.0.0")
CANDIDATE = manifest("gauge", "1.1.0", "int8")
PINNED = manifest("gauge", "0.9.0")
LAMP = manifest("lamp", "2.0.0")
STABLE_X86 = manifest("gauge", "1.0.0", hardware_class="gate-x86")
CANDIDATE_X86 = manifest("gauge", "1.1.0", hardware_class="gate-x86")
MANIFESTS = (STABLE, CANDIDATE, PINNED, LAMP, STABLE_X86, CANDIDATE_X86)

ARM = sha256(b"gate-arm64")[:16]
X86 = sha256(b"gate-x86")[:16]

NIGHT = Window(days=frozenset({"mon", "tue", "sat"}), start="22:30", end="04:00", zone="Europe/Berlin")
CANARY = RingRange(
    ring="canary",
    cut=share_cut(Fraction(1, 10)),
    not_before=datetime(2026, 11, 20, 8, tzinfo=UTC),
    spread_s=0,
    windows=(),
)
EARLY = RingRange(
    ring="early",
    cut=share_cut(Fraction(2, 5)),
    not_before=datetime(2026, 11, 23, 8, tzinfo=UTC),
    spread_s=3600,
    windows=(NIGHT,),
)
ROLLOUT = ClassRollout(
    rollout="gauge-2026-11",
    salt=salt(FLEET, "gauge-2026-11", "1.1.0"),
    unit="device",
    manifest=sha256(CANDIDATE.encode()),
    ranges=(CANARY, EARLY),
)
GAUGE_ARM = ClassFile(class_id=ARM, model="gauge", stable=sha256(STABLE.encode()), rollout=ROLLOUT)
LAMP_ARM = ClassFile(class_id=ARM, model="lamp", stable=sha256(LAMP.encode()), rollout=None)
GAUGE_X86 = ClassFile(
    class_id=X86,
    model="gauge",
    stable=sha256(STABLE_X86.encode()),
    rollout=replace(ROLLOUT, unit="site", manifest=sha256(CANDIDATE_X86.encode())),
)
LAMP_X86 = ClassFile(class_id=X86, model="lamp", stable=None, rollout=None)
CLASS_FILES = {(file.class_id, file.model): file.encode() for file in (GAUGE_ARM, LAMP_ARM, GAUGE_X86, LAMP_X86)}

DEVICES = {
    DeviceId("gate-01"): IndexRow(class_id=ARM, state="active"),
    DeviceId("gate-02"): IndexRow(class_id=ARM, state="held"),
    DeviceId("gate-03"): IndexRow(class_id=ARM, state="active"),
    DeviceId("gate-04"): IndexRow(class_id=ARM, state="active"),
    DeviceId("gate-05"): IndexRow(class_id=ARM, state="active", pins={"gauge": sha256(PINNED.encode())}),
    DeviceId("gate-08"): IndexRow(class_id=ARM, state="active"),
    DeviceId("yard-01"): IndexRow(class_id=X86, state="active", units={"site": "pier-4"}),
}
BANNED = QuarantineEntry(
    subject="release",
    model="gauge",
    release="0.8.0",
    graphs=(manifest("gauge", "0.8.0").artifacts[0].sha256, manifest("gauge", "0.8.0", "int8").artifacts[0].sha256),
    reason="crashed on two devices of the canary ring",
)
BANNED_GRAPH = QuarantineEntry(
    subject="artifact",
    model="lamp",
    release="1.9.0",
    graphs=(manifest("lamp", "1.9.0").artifacts[0].sha256,),
    reason="answers collapse to one class",
)
QUARANTINE = Quarantine(entries=(BANNED, BANNED_GRAPH))

LATENCIES_US = (1, 2, 3, 17, 900, 1024, 1100, 4096, 4097, 15_000, 15_001, 250_000)
SKETCH = merge(LatencySketch(counts={bucket_of(value): 1}) for value in LATENCIES_US)
REPORT_DOCUMENT = Report(
    fleet=FLEET,
    device=DeviceId("gate-04"),
    number=12,
    previous=sha256(b"report 11"),
    session="5f0c2a9e",
    agent="0.1.0",
    device_time=datetime(2026, 11, 23, 9, 4, 31, tzinfo=UTC),
    epoch=1,
    generation=7,
    statement=sha256(b"statement 7"),
    conditions=(Condition(type="clock-behind", note="the clock stood before the last statement; waits for time"),),
    models={
        "gauge": ModelReport(
            phase="probation",
            active=Running(manifest=sha256(CANDIDATE.encode()), release="1.1.0", variant="int8"),
            desired=sha256(CANDIDATE.encode()),
            reason="on probation until 09:14, 31 of 50 requests served",
            failures=(
                Failure(
                    manifest=sha256(PINNED.encode()), release="0.9.0", step="budget", note="p95 of 31 ms, 20 allowed"
                ),
            ),
            counters=(
                Counters(
                    manifest=sha256(CANDIDATE.encode()),
                    session="c41d",
                    requests=31,
                    failures=1,
                    over_budget=2,
                    compared=12,
                    agreed=11,
                    crashes=0,
                    peak_memory_bytes=91_226_112,
                    latency=SKETCH,
                ),
            ),
        ),
        "lamp": ModelReport(
            phase="absent", active=None, desired=None, reason="nothing desired", failures=(), counters=()
        ),
    },
)
_COUNTED = REPORT_DOCUMENT.models["gauge"].counters[0]
_DRIFTING = replace(REPORT_DOCUMENT.models["gauge"], counters=(replace(_COUNTED, drift_windows=4, drifted_windows=1),))
DRIFT_REPORT = replace(REPORT_DOCUMENT, models={"gauge": _DRIFTING})
FIRST_REPORT = replace(
    REPORT_DOCUMENT, number=1, previous=None, epoch=0, generation=0, statement=None, conditions=(), models={}
)


def sealed_report(report: Report = REPORT_DOCUMENT, key: PrivateKey = DEVICE_KEY) -> Envelope:
    """Seal a report with a signature that stays the same."""
    return seal_again(key, REPORT, report.encode())


TRUST = TrustPolicy(
    fleet=FLEET,
    epoch=1,
    statement_keys={key_hint(key.public_key()): key.public_key() for key in (STATEMENT_KEY, SECOND_KEY)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A compiled tree."""

    files: Mapping[str, bytes]
    """Path to content, `head.json` and tiles included."""
    head: TreeHead
    """The head."""


def compile_tree(
    *,
    devices: Mapping[DeviceId, IndexRow] = DEVICES,
    class_files: Mapping[tuple[str, str], bytes] = CLASS_FILES,
    manifests: Mapping[Digest, bytes] | None = None,
    quarantine: bytes | None = None,
    instead: Mapping[str, bytes] | None = None,
    fleet: str = FLEET,
    index_bits: int = INDEX_BITS,
    catalog_bits: int = CATALOG_BITS,
) -> Tree:
    """Compile a tree.

    Args:
        devices: The index.
        class_files: (class, model) to the bytes that stand there, whatever they say of themselves.
        manifests: Digest in the name to the bytes that stand there; None for the sample's.
        quarantine: The quarantine file; None for the sample's.
        instead: Path of a leaf to the bytes that replace it before the tree is hashed.
        fleet: The fleet.
        index_bits: Prefix bits of the index.
        catalog_bits: Prefix bits of the catalog.
    """
    leaves: dict[str, bytes] = {}
    for prefix in range(1 << index_bits):
        rows = {device: row for device, row in devices.items() if device_prefix(device, index_bits) == prefix}
        leaves[index_path(index_bits, prefix)] = IndexShard(devices=rows).encode()
    for prefix in range(1 << catalog_bits):
        classes: dict[str, dict[str, Digest]] = {}
        for (class_id, model), content in class_files.items():
            if class_prefix(class_id, catalog_bits) == prefix:
                classes.setdefault(class_id, {})[model] = sha256(content)
        leaves[catalog_path(catalog_bits, prefix)] = CatalogShard(classes=classes).encode()
    leaves[QUARANTINE_PATH] = QUARANTINE.encode() if quarantine is None else quarantine
    leaves |= instead or {}
    hashed = [leaf_hash(path, sha256(content)) for path, content in leaves.items()]
    root = Digest(root_hash(hashed).hex())
    head = TreeHead(fleet=fleet, index_bits=index_bits, catalog_bits=catalog_bits, root=root)
    if manifests is None:
        manifests = {sha256(item.encode()): item.encode() for item in MANIFESTS}
    files = {HEAD_PATH: head.encode(), **leaves, **make_tiles(hashed)}
    files |= {class_path(class_id, model): content for (class_id, model), content in class_files.items()}
    files |= {manifest_path(digest): content for digest, content in manifests.items()}
    return Tree(files=files, head=head)


def statement_of(tree: Tree, *, generation: int = 7, epoch: int = 1) -> Publication:
    """Return the statement over a tree."""
    return Publication(
        fleet=tree.head.fleet,
        epoch=epoch,
        generation=generation,
        issued_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        not_after=datetime(2026, 12, 23, 8, 0, tzinfo=UTC),
        head=sha256(tree.files[HEAD_PATH]),
        root=tree.head.root,
        size=tree.head.size,
        source=Source(commit="1d4f6f0c2b7a90e3c5d8e1f2a3b4c5d6e7f80912", content_digest=sha256(b"source")),
        compiler="ringtide/0.1.0",
        policy=sha256(b"policy verdict"),
        plan=sha256(b"plan"),
        previous=Previous(generation=6, sha256=sha256(b"statement 6")) if generation > 1 else None,
    )


def sign_statement(publication: Publication, key: ec.EllipticCurvePrivateKey = STATEMENT_KEY) -> bytes:
    """Return the bundle of a statement."""
    return write_bundle(seal_again(key, IN_TOTO, publication.encode()), key_hint(key.public_key()))


def files_of(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a golden publication by path."""
    text = {path: content.encode() for path, content in facts["files"].items()}
    return text | {path: base64.b64decode(content) for path, content in facts["tiles"].items()}
