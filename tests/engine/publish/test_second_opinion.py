"""sigstore-python's own reading of a bundle: the same payload, and no statement that it would not call one."""

import pytest

from ringtide_contract import keys
from ringtide_contract.bundle import write_bundle
from ringtide_contract.envelope import IN_TOTO, seal
from ringtide_contract.errors import TrustError
from ringtide_engine.adapters.sigstore_second_opinion import SigstoreSecondOpinion
from vectors.loader import load_vectors


def bundled(payload: bytes) -> bytes:
    key = keys.generate()
    return write_bundle(seal(key, IN_TOTO, payload), keys.key_hint(key.public_key()))


def test_the_payload_is_read_byte_for_byte() -> None:
    payload = next(each.content for each in load_vectors("statement") if each.error is None)
    assert SigstoreSecondOpinion().payload(bundled(payload)) == payload


@pytest.mark.parametrize("payload", [b"{}", b"not json", b'{"_type":"https://in-toto.io/Statement/v1"}'])
def test_what_is_no_statement_to_sigstore_is_refused(payload: bytes) -> None:
    with pytest.raises(TrustError, match="reads no in-toto statement"):
        SigstoreSecondOpinion().payload(bundled(payload))
