"""Sigstore bundles v0.3 signed by a managed key, checked with `cryptography` alone.

The key path and the certificate path never meet: a bundle that carries a certificate is refused here, and there is no
fallback from one to the other.
"""

from collections.abc import Mapping

from ringtide_contract import fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.envelope import Envelope, open_envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.keys import PublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""Media type of the one version that is written and read."""

MAX_BUNDLE_BYTES = 64 * 1024
"""A statement is about 2 kB; sixteen times that leaves room for evidence and none for abuse."""


def write_bundle(envelope: Envelope, hint: str) -> bytes:
    """Write an envelope as a bundle whose key is named by `hint` (see `keys.key_hint`)."""
    document: dict[str, Json] = {
        "mediaType": MEDIA_TYPE,
        # The empty list says nothing in protobuf JSON, but sigstore's Python model insists on the member.
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": envelope.to_dict(),
    }
    return encode(document)


def check_bundle(content: bytes, keys: Mapping[str, PublicKey], payload_type: str) -> bytes:
    """Check a managed-key bundle and return the payload it signs.

    Args:
        content: The bundle as received.
        keys: The trusted keys by hint, from the trust policy and from nowhere else.
        payload_type: The payload type the caller is about to parse.

    Raises:
        TrustError: Not a well-formed bundle, a certificate in it, an unknown hint, or a bad signature.
    """
    try:
        hint, envelope = _parse(content)
    except InputError as error:
        raise TrustError("BUNDLE-FORM", f"not a managed-key bundle v0.3: {error}") from error
    if hint not in keys:
        raise TrustError("BUNDLE-KEY", f"signed by key {hint[:64]!r}, which the trust policy does not name")
    return open_envelope(envelope, keys[hint], payload_type)


def _parse(content: bytes) -> tuple[str, Envelope]:
    data = fields.members(decode(content, limit=MAX_BUNDLE_BYTES), "bundle")
    if set(data) != {"mediaType", "verificationMaterial", "dsseEnvelope"}:
        raise InputError(f"unexpected members: {sorted(data)}")
    if data["mediaType"] != MEDIA_TYPE:
        raise InputError(f"media type {data['mediaType']!r}")
    material = fields.members(data["verificationMaterial"], "verificationMaterial")
    if not {"publicKey"} <= set(material) <= {"publicKey", "tlogEntries"}:
        raise InputError("the material is not a public key hint; certificates are refused on this path")
    if material.get("tlogEntries", []) != []:
        raise InputError("transparency log entries, which this path does not check")
    public_key = fields.members(material["publicKey"], "publicKey")
    if set(public_key) != {"hint"}:
        raise InputError(f"a public key is named by its hint, not by {sorted(public_key)}")
    return fields.text(public_key, "hint"), Envelope.from_dict(data["dsseEnvelope"])
