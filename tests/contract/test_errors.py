"""Three families; a trust refusal names its rule to people and to programs."""

from ringtide_contract.errors import InputError, RingtideError, TransientError, TrustError


def test_trust_error_carries_the_rule_and_shows_it() -> None:
    error = TrustError("ACCEPT-04", "epoch 2 where the trust policy says 1")
    assert error.rule == "ACCEPT-04"
    assert str(error) == "epoch 2 where the trust policy says 1 [ACCEPT-04]"


def test_families_are_apart_so_that_a_handler_of_one_never_swallows_another() -> None:
    families = (InputError, TrustError, TransientError)
    for family in families:
        assert issubclass(family, RingtideError)
        assert not any(issubclass(family, other) for other in families if other is not family)
