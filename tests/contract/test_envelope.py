"""DSSE: the bytes under a signature, the envelope around it, and its one signature."""

import base64
from dataclasses import replace

import pytest

from ringtide_contract.canonical import decode, encode
from ringtide_contract.envelope import IN_TOTO, REPORT, Envelope, open_envelope, pae, parse_base64, seal
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.keys import generate, parse_public_key, signature_is_valid
from vectors import samples
from vectors.loader import Vector, bad, good, vector

LIMIT = 65536


@pytest.mark.parametrize("vector", good("pae"))
def test_pae_is_that_of_the_specification(vector: Vector) -> None:
    assert pae(vector.facts["payloadType"], vector.facts["payload"].encode()) == vector.content


def test_the_specifications_own_signature_is_valid() -> None:
    case = vector("pae", "dsse-specification")
    key = parse_public_key(case.facts["publicKey"])
    signature = base64.b64decode(case.facts["signature"])
    assert signature_is_valid(key, signature, case.content)
    assert not signature_is_valid(key, signature, case.content + b"!")


@pytest.mark.parametrize("vector", good("envelope"))
def test_envelope_is_written_as_it_was_read(vector: Vector) -> None:
    assert encode(Envelope.from_dict(decode(vector.content, limit=LIMIT)).to_dict()) == vector.content


@pytest.mark.parametrize("vector", good("envelope"))
def test_golden_envelope_opens_with_the_golden_key(vector: Vector) -> None:
    envelope = Envelope.from_dict(decode(vector.content, limit=LIMIT))
    key = parse_public_key(vector.facts["publicKey"])
    assert open_envelope(envelope, key, vector.facts["payloadType"]) == samples.REPORT_DOCUMENT.encode()


@pytest.mark.parametrize("vector", bad("envelope"))
def test_bad_envelope_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Envelope.from_dict(decode(vector.content, limit=LIMIT))
    assert vector.error is not None
    assert vector.error in str(caught.value)


def test_keyid_is_tolerated_and_ignored() -> None:
    value = decode(vector("envelope", "report").content, limit=LIMIT)
    value["signatures"][0]["keyid"] = "somebody"
    assert Envelope.from_dict(value) == samples.sealed_report()


def test_what_is_sealed_opens_with_the_same_key_and_type_only() -> None:
    key, stranger = generate(), generate()
    envelope = seal(key, REPORT, b"payload")
    assert open_envelope(envelope, key.public_key(), REPORT) == b"payload"
    for changed, opener, kind, rule in (
        (envelope, stranger, REPORT, "ENVELOPE-SIGNATURE"),
        (envelope, key, IN_TOTO, "ENVELOPE-TYPE"),
        (replace(envelope, payload=b"payloae"), key, REPORT, "ENVELOPE-SIGNATURE"),
        (replace(envelope, payload_type=IN_TOTO), key, IN_TOTO, "ENVELOPE-SIGNATURE"),
        (replace(envelope, signature=b""), key, REPORT, "ENVELOPE-SIGNATURE"),
    ):
        with pytest.raises(TrustError) as caught:
            open_envelope(changed, opener.public_key(), kind)
        assert caught.value.rule == rule


@pytest.mark.parametrize("text", ["YQ", "YR==", "YQ= =", "YQ==\n", "Y-__", "=", "é", "YQ===", "YQ==YQ=="])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(InputError, match="base64"):
        parse_base64(text)
    assert parse_base64("YQ==") == b"a"
