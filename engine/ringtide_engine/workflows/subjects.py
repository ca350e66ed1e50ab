"""Which files does a bill of materials or a signed statement speak of?

Only what stands in the file is read; whether a signature holds is for those who know the signer's key.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest


def sbom_digests(content: bytes) -> frozenset[Digest]:
    """Return the SHA-256 digests of the components of a CycloneDX document; none where it is not one."""
    document = _decoded(content)
    hashes = [each for component in _entries(document, "components") for each in _entries(component, "hashes")]
    return _digests(each.get("content") for each in hashes if each.get("alg") == "SHA-256")


def statement_digests(content: bytes) -> frozenset[Digest]:
    """Return the SHA-256 digests that in-toto statements name, plain, in DSSE envelopes or in sigstore bundles.

    Subjects count, and the `resources` by which OpenSSF model signing lists a model's files. One document, or one a
    line; none where the file is of another kind.
    """
    whole = _decoded(content)
    documents = [whole] if whole is not None else [_decoded(line) for line in content.splitlines() if line.strip()]
    found: set[Digest] = set()
    for document in documents:
        statement = _statement(document)
        found |= _digests(_field(each.get("digest"), "sha256") for each in _entries(statement, "subject"))
        resources = _entries(_field(statement, "predicate"), "resources")
        found |= _digests(each.get("digest") for each in resources if each.get("algorithm") == "sha256")
    return frozenset(found)


def _statement(document: Any) -> Any:
    envelope = _field(document, "dsseEnvelope") or document
    payload = _field(envelope, "payload")
    if not isinstance(payload, str):
        return document
    try:
        return _decoded(base64.b64decode(payload, validate=True))
    except binascii.Error:
        return None


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _entries(value: Any, name: str) -> list[dict[str, Any]]:
    entries = _field(value, name)
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []


def _digests(values: Iterator[Any]) -> frozenset[Digest]:
    found: set[Digest] = set()
    for each in values:
        try:
            found.add(parse_digest(str(each)))
        except InputError:
            continue
    return frozenset(found)
