"""Bundles: read by sigstore's own model too, and every flipped bit is refused."""

import pytest
from sigstore_models.bundle.v1 import Bundle

from ringtide_contract.bundle import MAX_BUNDLE_BYTES, MEDIA_TYPE, check_bundle, write_bundle
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import IN_TOTO, Envelope
from ringtide_contract.errors import TrustError
from ringtide_contract.ids import sha256
from ringtide_contract.keys import key_hint
from vectors import samples
from vectors.cases import GONE, edit
from vectors.loader import Vector, bad, good, vector

KEYS = samples.TRUST.statement_keys


@pytest.mark.parametrize("vector", good("bundle"))
def test_good_bundle_gives_its_payload(vector: Vector) -> None:
    payload = check_bundle(vector.content, KEYS, IN_TOTO)
    assert payload == samples.statement_of(samples.compile_tree()).encode()
    assert vector.facts.get("payloadSha256") in (None, sha256(payload))


@pytest.mark.parametrize("vector", good("bundle"))
def test_bundle_is_written_as_it_was_read(vector: Vector) -> None:
    document = decode(vector.content, limit=MAX_BUNDLE_BYTES)
    hint = document["verificationMaterial"]["publicKey"]["hint"]
    assert write_bundle(Envelope.from_dict(document["dsseEnvelope"]), hint) == vector.content


@pytest.mark.parametrize("vector", bad("bundle"))
def test_bad_bundle_is_refused(vector: Vector) -> None:
    with pytest.raises(TrustError) as caught:
        check_bundle(vector.content, KEYS, IN_TOTO)
    assert vector.error is not None
    assert vector.error in str(caught.value)
    assert caught.value.rule == vector.rule


@pytest.mark.parametrize("vector", good("bundle"))
def test_sigstore_reads_our_bundle_as_we_mean_it(vector: Vector) -> None:
    """The second opinion: the protocol's own data model, which refuses unknown members."""
    bundle = Bundle.from_json(vector.content)
    assert bundle.media_type == MEDIA_TYPE
    assert bundle.verification_material.public_key is not None
    assert bundle.verification_material.public_key.hint in KEYS
    assert bundle.dsse_envelope is not None
    assert bundle.dsse_envelope.payload_type == IN_TOTO
    assert len(bundle.dsse_envelope.signatures) == 1


def test_every_flipped_bit_is_refused_or_changes_nothing() -> None:
    content = vector("bundle", "statement").content
    payload = check_bundle(content, KEYS, IN_TOTO)
    survivors = []
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            try:
                assert check_bundle(bytes(flipped), KEYS, IN_TOTO) == payload
            except TrustError:
                continue
            survivors.append((place, bit))
    assert survivors == [], "canonical bytes leave no bit without a meaning"


def test_no_trusted_key_means_no_trusted_bundle() -> None:
    with pytest.raises(TrustError) as caught:
        check_bundle(vector("bundle", "statement").content, {}, IN_TOTO)
    assert caught.value.rule == "BUNDLE-KEY"


def test_the_hint_only_chooses_among_trusted_keys() -> None:
    hint, second = (key_hint(key.public_key()) for key in (samples.STATEMENT_KEY, samples.SECOND_KEY))
    with pytest.raises(TrustError) as caught:
        check_bundle(vector("bundle", "statement").content, {hint: KEYS[second]}, IN_TOTO)
    assert caught.value.rule == "ENVELOPE-SIGNATURE"


def test_bundle_beyond_its_limit_is_not_parsed() -> None:
    content = vector("bundle", "statement").content
    padded = content + b" " * (MAX_BUNDLE_BYTES + 1 - len(content))
    with pytest.raises(TrustError, match="bytes where at most") as caught:
        check_bundle(padded, KEYS, IN_TOTO)
    assert caught.value.rule == "BUNDLE-FORM"
    assert check_bundle(padded[:-1], KEYS, IN_TOTO)


def test_the_empty_list_of_log_entries_may_be_left_out_as_protobuf_json_allows() -> None:
    content = vector("bundle", "statement").content
    shorter = edit(content, "verificationMaterial/tlogEntries", GONE)
    assert len(shorter) < len(content)
    assert check_bundle(shorter, KEYS, IN_TOTO) == check_bundle(content, KEYS, IN_TOTO)
