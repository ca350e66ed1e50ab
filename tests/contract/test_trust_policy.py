"""Trust policies keep their bytes, and bad ones are refused by name."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_contract.keys import key_hint
from ringtide_contract.trust_policy import TrustPolicy
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("trust-policy"))
def test_trust_policy_is_written_as_it_was_read(vector: Vector) -> None:
    assert TrustPolicy.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("trust-policy"))
def test_bad_trust_policy_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        TrustPolicy.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


@pytest.mark.parametrize("vector", good("trust-policy"))
def test_keys_are_found_by_the_hint_that_follows_from_them(vector: Vector) -> None:
    policy = TrustPolicy.decode(vector.content)
    assert sorted(policy.statement_keys) == vector.facts["hints"]
    assert all(key_hint(key) == hint for hint, key in policy.statement_keys.items())
