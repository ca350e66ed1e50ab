"""DSSE envelopes (Dead Simple Signing Envelope v1.0.2): bytes, their type, and one signature over both.

An envelope keeps the payload bytes it was given; nothing is re-encoded on the way to a check.
"""

import base64
import binascii
from dataclasses import dataclass

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.keys import PrivateKey, PublicKey, sign, signature_is_valid

IN_TOTO = "application/vnd.in-toto+json"
"""Payload type of a publication's statement."""

REPORT = "application/vnd.ringtide.report.v1+json"
"""Payload type of a device's report; a device signature can never pass for a publication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed payload. Exactly one signature: k of n signers make k envelopes."""

    payload: bytes
    """The signed bytes, as received."""
    payload_type: str
    """Media type of the payload; it is signed too."""
    signature: bytes
    """Signature over `pae(payload_type, payload)`."""

    @classmethod
    def from_dict(cls, value: object) -> "Envelope":
        """Read an envelope from decoded JSON.

        Raises:
            InputError: A member is missing, unknown, or not canonical base64, or there is not exactly one signature.
        """
        data = fields.members(value, "envelope")
        if set(data) != {"payload", "payloadType", "signatures"}:
            raise InputError(f"an envelope has payload, payloadType and signatures, not {sorted(data)}")
        signatures = data["signatures"]
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise InputError("an envelope has exactly one signature")
        signature = fields.members(signatures[0], "signature")
        if not set(signature) <= {"sig", "keyid"}:
            raise InputError(f"a signature has sig and keyid, not {sorted(signature)}")
        return cls(
            payload=parse_base64(fields.text(data, "payload")),
            payload_type=fields.text(data, "payloadType"),
            signature=parse_base64(fields.text(signature, "sig")),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the envelope as `from_dict` reads it."""
        return {
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadType": self.payload_type,
            "signatures": [{"sig": base64.b64encode(self.signature).decode("ascii")}],
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, the bytes that are signed (DSSE protocol, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(key: PrivateKey, payload_type: str, payload: bytes) -> Envelope:
    """Sign `payload` and put it in an envelope."""
    return Envelope(payload=payload, payload_type=payload_type, signature=sign(key, pae(payload_type, payload)))


def open_envelope(envelope: Envelope, key: PublicKey, payload_type: str) -> bytes:
    """Check an envelope and return its payload.

    Args:
        envelope: The envelope as received.
        key: The key that must have signed it; it never comes from the envelope.
        payload_type: The type that the caller is about to parse.

    Raises:
        TrustError: Another payload type, or the signature is not by `key`.
    """
    if envelope.payload_type != payload_type:
        raise TrustError("ENVELOPE-TYPE", f"payload type {envelope.payload_type!r} where {payload_type!r} is expected")
    if not signature_is_valid(key, envelope.signature, pae(payload_type, envelope.payload)):
        raise TrustError("ENVELOPE-SIGNATURE", "the signature does not match the payload and the expected key")
    return envelope.payload


def parse_base64(text: str) -> bytes:
    """Decode standard base64 and refuse every other spelling of the same bytes.

    Raises:
        InputError: Not base64, or not its canonical form (line breaks, missing padding, slack bits).
    """
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InputError("not base64") from error
    if base64.b64encode(content).decode("ascii") != text:
        raise InputError("base64 that is not in its canonical form")
    return content
