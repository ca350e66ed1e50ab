"""Signing keys: P-256 with SHA-256 and Ed25519, by `cryptography`.

P-256 is the default because key management services, TPM 2.0 and most secure elements hold it.
"""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ringtide_contract.errors import InputError

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def generate() -> PrivateKey:
    """Make a new P-256 key from the operating system's random source."""
    return ec.generate_private_key(ec.SECP256R1())


def parse_public_key(pem: str) -> PublicKey:
    """Parse a PEM public key (SubjectPublicKeyInfo, RFC 5280).

    Raises:
        InputError: Not a PEM public key, or neither P-256 nor Ed25519.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError("not a PEM public key") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise InputError("the public key is neither P-256 nor Ed25519")


def parse_private_key(pem: bytes) -> PrivateKey:
    """Parse an unencrypted PEM private key (PKCS #8, RFC 5958).

    Raises:
        InputError: Not such a key, or neither P-256 nor Ed25519.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError("not an unencrypted PEM private key") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise InputError("the private key is neither P-256 nor Ed25519")


def public_pem(key: PublicKey) -> str:
    """Write a public key as PEM."""
    encoding = serialization.Encoding.PEM
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def private_pem(key: PrivateKey) -> bytes:
    """Write a private key as unencrypted PKCS #8 PEM; the caller guards the file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_hint(key: PublicKey) -> str:
    """Return the hint by which a bundle names its key: base64(SHA-256(SubjectPublicKeyInfo DER)), as cosign writes."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode("ascii")


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Sign `message`: ECDSA over SHA-256 in DER for P-256, pure Ed25519 (RFC 8032) otherwise."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    return key.sign(message)


def signature_is_valid(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` over `message` was made by the owner of `key`."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
