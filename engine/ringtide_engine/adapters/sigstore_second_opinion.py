"""A second reading of our bundles by sigstore's own data model, so that no mistake of our parser goes unseen.

`sigstore.models.Bundle` insists on a certificate and so refuses every bundle signed by a managed key; the model beneath
it takes both kinds. Whose key signed is the contract's question, not this one's.
"""

from ringtide_contract.bundle import MAX_BUNDLE_BYTES
from ringtide_contract.envelope import IN_TOTO
from ringtide_contract.errors import TrustError


class SigstoreSecondOpinion:
    """Implements `ports.SecondOpinion` with sigstore-python's statement and the bundle model beneath it."""

    def payload(self, bundle: bytes) -> bytes:
        """Return the in-toto payload that sigstore's model finds."""
        from sigstore.dsse import Statement  # these two take a second to import
        from sigstore.errors import Error
        from sigstore_models.bundle.v1 import Bundle

        if len(bundle) > MAX_BUNDLE_BYTES:
            raise TrustError("SIGSTORE-FORM", f"a bundle of {len(bundle)} bytes")
        try:
            read = Bundle.from_json(bundle)
        except ValueError as error:
            raise TrustError("SIGSTORE-FORM", "sigstore's model refuses the bundle") from error
        envelope, key = read.dsse_envelope, read.verification_material.public_key
        if envelope is None or key is None or read.verification_material.certificate is not None:
            raise TrustError("SIGSTORE-FORM", "sigstore's model sees no envelope signed by a managed key")
        if envelope.payload_type != IN_TOTO:
            raise TrustError("SIGSTORE-FORM", f"sigstore's model sees the payload type {envelope.payload_type!r}")
        payload = bytes(envelope.payload)
        try:
            Statement(payload)
        except Error as error:
            raise TrustError("SIGSTORE-FORM", "sigstore reads no in-toto statement in the bundle") from error
        return payload
