"""Cases of the documents in a tree, of the statement over it, and of the trust policy."""

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from ringtide_contract.artifact import CHUNK_BYTES, write_chunk_list
from ringtide_contract.canonical import encode
from ringtide_contract.ids import sha256
from ringtide_contract.index import CatalogShard, IndexShard
from ringtide_contract.keys import key_hint, public_pem
from ringtide_contract.membership import EVERYBODY, Cut
from ringtide_contract.quarantine import Quarantine
from ringtide_contract.trust_policy import TrustPolicy
from vectors import samples
from vectors.cases import GONE, Case, bad, edit, edits, good


def head() -> list[Case]:
    whole = samples.compile_tree().head.encode()
    smallest = samples.compile_tree(index_bits=0, catalog_bits=0).head.encode()
    return [
        good("seven-leaves", whole),
        good("three-leaves", smallest),
        *edits(
            whole,
            {
                "another-kind": ("kind", "Quarantine", "not a TreeHead"),
                "another-api-version": ("apiVersion", "ringtide/v2", "not a TreeHead"),
                "another-hash": ("alg", "rfc6962-sha512", "unknown tree"),
                "another-tile-height": ("tileHeight", 8, "unknown tree"),
                "size-not-of-the-bits": ("size", 8, "a tree of 8 leaves where its prefix bits make 7"),
                "too-many-bits": ("indexBits", 25, "25 prefix bits where at most 24 are allowed"),
                "negative-bits": ("catalogBits", -1, "'catalogBits' is not an integer of at least 0"),
                "bits-true": ("catalogBits", True, "'catalogBits' is not an integer"),
                "root-in-capitals": ("root", "AB" * 32, "is not a SHA-256 digest"),
                "no-fleet": ("fleet", GONE, "'fleet' is not a string"),
            },
        ),
        bad("too-large", whole + b" " * 4096, "bytes where at most 4096 are allowed"),
        bad("an-array", b"[]", "is not an object"),
    ]


def index_shard() -> list[Case]:
    whole = IndexShard(devices=samples.DEVICES).encode()
    row = "devices/gate-05/"
    return [
        good("seven-devices", whole),
        good("empty", IndexShard(devices={}).encode()),
        *edits(
            whole,
            {
                "retired-devices-have-no-row": (row + "state", "retired", "is not a device state"),
                "class-too-short": (row + "class", "811b3a37", "is not a class id"),
                "pin-not-a-digest": (row + "pins/gauge", "1.0.0", "is not a SHA-256 digest"),
                "unit-not-text": (row + "units", {"site": 4}, "is not a string"),
                "device-in-capitals": (
                    "devices/Gate-09",
                    {"class": samples.ARM, "state": "active"},
                    "is not a device id",
                ),
                "device-with-a-slash": (
                    "devices",
                    {"../gate-09": {"class": samples.ARM, "state": "active"}},
                    "is not a device id",
                ),
                "devices-not-an-object": ("devices", [], "'devices' is not an object"),
            },
        ),
    ]


def catalog_shard() -> list[Case]:
    whole = CatalogShard(
        classes={samples.ARM: {"gauge": samples.ROLLOUT.manifest}, samples.X86: {"lamp": samples.ROLLOUT.manifest}}
    ).encode()
    entry = f"classes/{samples.ARM}"
    return [
        good("two-classes", whole),
        good("empty", CatalogShard(classes={}).encode()),
        good("class-without-models", CatalogShard(classes={samples.ARM: {}}).encode()),
        *edits(
            whole,
            {
                "class-not-an-id": ("classes/arm64", {}, "is not a class id"),
                "model-with-a-path": (entry, {"..": samples.ROLLOUT.manifest}, "is not a name"),
                "digest-cut": (entry + "/gauge", samples.ROLLOUT.manifest[:-1], "is not a SHA-256 digest"),
                "class-not-an-object": (entry, "gauge", "class is not an object"),
            },
        ),
    ]


def class_file() -> list[Case]:
    whole = samples.GAUGE_ARM.encode()
    everybody = replace(samples.CANARY, ring="rest", cut=EVERYBODY)
    finished = replace(samples.GAUGE_ARM, rollout=replace(samples.ROLLOUT, ranges=(everybody,)))
    paused = replace(samples.GAUGE_ARM, rollout=replace(samples.ROLLOUT, ranges=()))
    ranges = "rollout/ranges/"
    return [
        good("two-rings-open", whole),
        good("unit-is-a-label", samples.GAUGE_X86.encode()),
        good("every-device-exposed", finished.encode()),
        good("no-ring-open", paused.encode()),
        good("stable-only", samples.LAMP_ARM.encode()),
        good("not-installed", samples.LAMP_X86.encode()),
        *edits(
            whole,
            {
                "cuts-shrink": (ranges + "1/cut", f"{Cut(1):016x}", "shrink from ring to ring"),
                "cut-beyond-everybody": (ranges + "1/cut", f"{2**64 + 1:x}", "is above 2^64"),
                "cut-with-leading-zero": (ranges + "1/cut", "0ffffffffffffffff", "leading zero"),
                "cut-as-number": (ranges + "0/cut", 1, "'cut' is not a string"),
                "cut-in-capitals": (ranges + "0/cut", "FFFFFFFFFFFFFFFF", "is not a cut"),
                "instant-with-offset": (ranges + "0/notBefore", "2026-11-20T09:00:00+01:00", "is not an instant"),
                "instant-in-other-digits": (ranges + "0/notBefore", "２０２６-11-20T09:00:00Z", "is not an instant"),
                "no-such-day": (ranges + "0/notBefore", "2026-02-30T09:00:00Z", "is not an instant"),
                "spread-negative": (ranges + "0/spreadSeconds", -1, "'spreadSeconds' is not an integer"),
                "class-id-with-a-path": ("class", "../../../../etc", "is not a class id"),
                "no-model": ("model", GONE, "'model' is not a string"),
                "no-candidate": ("rollout/manifest", GONE, "'manifest' is not a string"),
                "stable-not-a-digest": ("stable", "1.0.0", "is not a SHA-256 digest"),
            },
        ),
    ]


def manifest() -> list[Case]:
    whole = samples.CANDIDATE.encode()
    return [
        good("int8", whole),
        good("second-attempt", replace(samples.CANDIDATE, attempt=1).encode()),
        good("without-golden", replace(samples.CANDIDATE, golden=None).encode()),
        good("watched-for-drift", replace(samples.CANDIDATE, drift="golden.json").encode()),
        *edits(
            whole,
            {
                "another-kind": ("kind", "ClassFile", "not a Manifest"),
                "graph-not-listed": ("graph", "other.onnx", "names the artifact 'other.onnx'"),
                "golden-not-listed": ("golden/artifact", "other.json", "names the artifact 'other.json'"),
                "drift-not-listed": ("drift", "drift.json", "names the artifact 'drift.json'"),
                "two-artifacts-of-one-name": ("artifacts/1/name", "model.onnx", "two artifacts"),
                "artifact-outside-the-store": ("artifacts/0/name", "../model.onnx", "is not a name"),
                "artifact-size-negative": ("artifacts/0/size", -1, "'size' is not an integer"),
                "artifact-digest-of-md5": ("artifacts/0/sha256", "ab" * 16, "is not a SHA-256 digest"),
                "datatype-unknown": ("inputs/0/datatype", "FLOAT", "is not a datatype"),
                "dimension-minus-two": ("inputs/0/shape/0", -2, "is not a dimension"),
                "dimension-true": ("inputs/0/shape/0", True, "is not a dimension"),
                "opset-zero": ("runtime/opset", 0, "'opset' is not an integer of at least 1"),
                "no-budget": ("budget", GONE, "budget is not an object"),
                "no-probation": ("probation", GONE, "probation is not an object"),
                "budget-as-float": ("budget/p95LatencyUs", 0.5, "is not an integer"),
                "release-with-a-slash": ("release", "1/0", "is not a version"),
                "no-attempt": ("attempt", GONE, "'attempt' is not an integer"),
            },
        ),
    ]


def artifact() -> list[Case]:
    offered = samples.offers("gauge", samples.STABLE.artifacts[0].sha256)
    whole, delta = encode(offered.to_dict()), "deltas/0/"
    return [
        good("with-chunks-and-a-delta", whole),
        good("by-a-method-of-tomorrow", edit(whole, delta + "method", "xor-planes")),
        good("without-offers", encode(replace(offered, chunks=None, deltas=()).to_dict())),
        *edits(
            whole,
            {
                "delta-from-a-name": (delta + "from", "model.onnx", "is not a SHA-256 digest"),
                "delta-without-a-digest": (delta + "sha256", GONE, "'sha256' is not a string"),
                "delta-size-negative": (delta + "size", -1, "'size' is not an integer"),
                "delta-method-as-number": (delta + "method", 1, "'method' is not a string"),
                "deltas-as-text": ("deltas", "none", "'deltas' is not an array"),
                "chunks-as-list": ("chunks", [], "chunks is not an object"),
                "chunks-digest-of-md5": ("chunks/sha256", "ab" * 16, "is not a SHA-256 digest"),
                "chunks-uris-as-text": ("chunks/uris", "https://models.example", "'uris' is not an array"),
            },
        ),
    ]


def chunk_list() -> list[Case]:
    def case(name: str, content: bytes, how: str) -> Case:
        return good(name, write_chunk_list(content), artifact=sha256(content), size=len(content), artifactIs=how)

    return [
        case("two-pieces-and-a-bit", samples.LARGE, "SHA-256 of the decimals 0 to 32767, twice, then `end`"),
        case("one-piece", samples.LARGE[:CHUNK_BYTES], "SHA-256 of the decimals 0 to 32767"),
        case("shorter-than-a-piece", b"end", "`end`"),
        case("empty", b"", "nothing"),
    ]


def quarantine() -> list[Case]:
    whole = samples.QUARANTINE.encode()
    return [
        good("release-and-artifact", whole),
        good("empty", Quarantine(entries=()).encode()),
        *edits(
            whole,
            {
                "subject-unknown": ("entries/0/subject", "model", "is not a quarantine subject"),
                "graph-not-a-digest": ("entries/0/graphs/0", "gauge", "is not a SHA-256 digest"),
                "no-reason": ("entries/1/reason", GONE, "'reason' is not a string"),
                "entries-as-text": ("entries", "none", "'entries' is not an array"),
            },
        ),
    ]


def statement() -> list[Case]:
    tree = samples.compile_tree()
    whole = samples.statement_of(tree).encode()
    return [
        good("seventh", whole),
        good("first", samples.statement_of(tree, generation=1).encode()),
        *edits(
            whole,
            {
                "statement-v0.1": ("_type", "https://in-toto.io/Statement/v0.1", "not an in-toto statement v1"),
                "another-predicate": ("predicateType", "https://slsa.dev/provenance/v1", "not a publication"),
                "two-subjects": (
                    "subject",
                    [{"name": "head.json", "digest": {"sha256": tree.head.root}}] * 2,
                    "a publication has one subject",
                ),
                "no-subject": ("subject", [], "a publication has one subject"),
                "another-subject": ("subject/0/name", "index.json", "a publication has one subject"),
                "subject-without-sha256": ("subject/0/digest", {"sha512": "00"}, "'sha256' is not a string"),
                "another-tree-hash": ("predicate/tree/alg", "rfc6962-sha1", "unknown tree"),
                "tree-of-nothing": ("predicate/tree/size", 0, "'size' is not an integer of at least 1"),
                "epoch-zero": ("predicate/epoch", 0, "'epoch' is not an integer of at least 1"),
                "generation-zero": ("predicate/generation", 0, "'generation' is not an integer of at least 1"),
                "generation-beyond-2^53": ("predicate/generation", 2**53, "beyond 2^53 - 1"),
                "generation-as-text": ("predicate/generation", "7", "'generation' is not an integer"),
                "never-expires": ("predicate/notAfter", GONE, "'notAfter' is not a string"),
                "no-source": ("predicate/source", GONE, "source is not an object"),
                "no-plan": ("predicate/planSha256", GONE, "'planSha256' is not a string"),
                "previous-zero": ("predicate/previous/generation", 0, "'generation' is not an integer of at least 1"),
            },
        ),
    ]


def trust_policy() -> list[Case]:
    whole = samples.TRUST.encode()
    ed25519 = samples.ED25519_KEY.public_key()
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    p384_pem = public_pem(p384)
    return [
        good("two-keys", whole, hints=sorted(samples.TRUST.statement_keys)),
        good(
            "ed25519",
            TrustPolicy(fleet="harbour", epoch=2, statement_keys={key_hint(ed25519): ed25519}).encode(),
            hints=[key_hint(ed25519)],
        ),
        *edits(
            whole,
            {
                "no-keys": ("statementKeys", [], "trusts nobody"),
                "keys-left-out": ("statementKeys", GONE, "trusts nobody"),
                "p384": ("statementKeys/0", p384_pem, "neither P-256 nor Ed25519"),
                "not-pem": ("statementKeys/0", "ssh-ed25519 AAAA", "not a PEM public key"),
                "epoch-zero": ("epoch", 0, "'epoch' is not an integer of at least 1"),
                "fleet-in-capitals": ("fleet", "Harbour", "is not a name"),
            },
        ),
    ]


def report() -> list[Case]:
    whole = samples.REPORT_DOCUMENT.encode()
    counters = "models/gauge/counters/0/"
    other = encode({"apiVersion": "ringtide/v1", "kind": "Manifest"})
    return [
        good("on-probation", whole),
        good("first", samples.FIRST_REPORT.encode()),
        good("drifting", samples.DRIFT_REPORT.encode()),
        *edits(
            whole,
            {
                "number-zero": ("number", 0, "'number' is not an integer of at least 1"),
                "phase-unknown": ("models/gauge/phase", "installed", "is not a phase"),
                "failed-step-unknown": ("models/gauge/failures/0/step", "disk", "is not a step that can fail"),
                "note-too-long": ("models/gauge/failures/0/note", "x" * 301, "longer than 300 characters"),
                "reason-too-long": ("models/gauge/reason", "x" * 301, "longer than 300 characters"),
                "condition-too-long": ("conditions/0/note", "x" * 301, "longer than 300 characters"),
                "more-failures-than-requests": (counters + "failures", 32, "exceeds the one it is part of"),
                "more-over-budget-than-requests": (counters + "overBudget", 32, "exceeds the one it is part of"),
                "more-agreed-than-compared": (counters + "agreed", 13, "exceeds the one it is part of"),
                "more-drifted-than-windows": (counters + "driftedWindows", 1, "exceeds the one it is part of"),
                "count-negative": (counters + "crashes", -1, "'crashes' is not an integer"),
                "device-not-an-id": ("device", "-gate", "is not a device id"),
                "model-not-a-name": ("models/a b", samples.REPORT_DOCUMENT.models["lamp"].to_dict(), "is not a name"),
                "latency-bucket-beyond-twelve-days": (counters + "latency/log16us/641", 1, "is not a latency bucket"),
                "latency-bucket-of-5000-digits": (
                    counters + "latency",
                    {"log16us": {"9" * 5000: 1}},
                    "is not a latency bucket",
                ),
            },
        ),
        bad("another-kind", other, "not a Report"),
        bad("lone-surrogate", whole.replace(b'"0.1.0"', b'"\\ud800"'), "lone surrogate"),
        bad("twice-a-member", edit(whole, "number", 13)[:-1] + b',"number":14}', "'number' stands twice"),
    ]
