"""Keys: two kinds, one spelling, and signatures that fail closed."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ringtide_contract.errors import InputError
from ringtide_contract.keys import (
    PrivateKey,
    generate,
    key_hint,
    parse_private_key,
    parse_public_key,
    private_pem,
    public_pem,
    sign,
    signature_is_valid,
)
from vectors import samples
from vectors.loader import Vector, bad, good

BOTH_KINDS = [samples.STATEMENT_KEY, samples.ED25519_KEY]


@pytest.mark.parametrize("vector", good("keys"))
def test_key_is_written_as_it_was_read(vector: Vector) -> None:
    key = parse_private_key(vector.content)
    assert private_pem(key) == vector.content
    assert public_pem(key.public_key()) == vector.facts["public"]
    assert public_pem(parse_public_key(vector.facts["public"])) == vector.facts["public"]
    assert key_hint(key.public_key()) == vector.facts["hint"]


@pytest.mark.parametrize("vector", bad("keys"))
def test_bad_key_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        parse_private_key(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_a_private_key_is_no_public_key_and_the_reverse() -> None:
    key = generate()
    with pytest.raises(InputError, match="not a PEM public key"):
        parse_public_key(private_pem(key).decode())
    with pytest.raises(InputError, match="not an unencrypted PEM private key"):
        parse_private_key(public_pem(key.public_key()).encode())


def test_an_encrypted_private_key_is_refused() -> None:
    pem = generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    with pytest.raises(InputError, match="not an unencrypted PEM private key"):
        parse_private_key(pem)


def test_rsa_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InputError, match="neither P-256 nor Ed25519"):
        parse_public_key(pem.decode())


@pytest.mark.parametrize("key", BOTH_KINDS, ids=["p256", "ed25519"])
def test_a_signature_is_valid_for_its_message_and_key_only(key: PrivateKey) -> None:
    signature = sign(key, b"message")
    assert signature_is_valid(key.public_key(), signature, b"message")
    assert not signature_is_valid(key.public_key(), signature, b"messagf")
    assert not signature_is_valid(samples.STRANGER_KEY.public_key(), signature, b"message")


@pytest.mark.parametrize("key", BOTH_KINDS, ids=["p256", "ed25519"])
@pytest.mark.parametrize("signature", [b"", b"\x00", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\xff" * 64])
def test_a_malformed_signature_is_invalid_not_an_error(key: PrivateKey, signature: bytes) -> None:
    assert not signature_is_valid(key.public_key(), signature, b"message")


def test_two_generated_keys_differ() -> None:
    assert key_hint(generate().public_key()) != key_hint(generate().public_key())
