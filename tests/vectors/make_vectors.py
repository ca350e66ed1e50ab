"""Make every golden vector; `pytest tests/contract/test_vectors.py --update-goldens` writes them."""

import json
from collections.abc import Callable

from vectors import cases_documents, cases_numbers, cases_trust
from vectors.cases import Case

FORMATS: dict[str, tuple[str, Callable[[], list[Case]]]] = {
    "canonical": ("Canonical JSON; `spellings` are other bytes of the same value.", cases_trust.canonical),
    "pae": ("DSSE pre-authentication encoding of `payloadType` and `payload`.", cases_trust.pae_),
    "envelope": ("DSSE envelope in canonical JSON, signed by the owner of `publicKey`.", cases_trust.envelope),
    "bundle": ("Sigstore bundle of a statement, under the trust policy `two-keys`.", cases_trust.bundle),
    "keys": ("Private keys in PEM, FOR TESTS ONLY, with public key and hint.", cases_trust.keys),
    "statement": ("Statement of a publication.", cases_documents.statement),
    "trust-policy": ("Trust policy, with the hints of its keys.", cases_documents.trust_policy),
    "head": ("Head of a tree.", cases_documents.head),
    "index-shard": ("Shard of the index.", cases_documents.index_shard),
    "catalog-shard": ("Shard of the catalog.", cases_documents.catalog_shard),
    "class-file": ("Class file.", cases_documents.class_file),
    "manifest": ("Manifest.", cases_documents.manifest),
    "artifact": ("Entry of an artifact in a manifest.", cases_documents.artifact),
    "chunk-list": (
        "Chunk list of an artifact of `size` bytes, which is what `artifactIs` says.",
        cases_documents.chunk_list,
    ),
    "quarantine": ("Quarantine list.", cases_documents.quarantine),
    "report": ("Report, the payload of its envelope.", cases_documents.report),
    "sealed-report": ("Sealed report: an envelope, with whom it is expected from.", cases_trust.sealed_report),
    "rfc6962": ("Merkle tree hash of `inputs` in hexadecimal; known answers for RFC 6962.", cases_numbers.rfc6962),
    "tree": (
        "Root of `size` leaves, leaf i being SHA-256 of the decimal i; audit paths by leaf, SHA-256 of tiles by path.",
        cases_numbers.tree,
    ),
    "leaf": ("Hash of a leaf from path and digest, and of a node from its children.", cases_numbers.leaf),
    "paths": ("Paths in a tree.", cases_numbers.paths),
    "prefixes": ("Shard of a device or class; prefix bits for a number of entries.", cases_numbers.prefixes),
    "membership": (
        "Buckets of units and turns of devices; cuts of shares, ring openings and controls.",
        cases_numbers.membership,
    ),
    "window": ("Maintenance window, with instants at which it is open and closed.", cases_numbers.window),
    "start": ("Range of an open ring; a device of `turn`, seen at `now`, `begins` then.", cases_numbers.start),
    "latency-sketch": ("Latency sketch of `latenciesUs`, with its quantiles.", cases_numbers.latency_sketch),
    "publication": ("A whole publication, and what each device is to make of it.", cases_numbers.publication),
}


def make(name: str) -> str:
    """Return the file of a format as text."""
    about, cases = FORMATS[name]
    document = {"format": name, "about": about, "cases": cases()}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
