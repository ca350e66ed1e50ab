"""Conditions are checked before they run, bounded while they run, and answer true or false or not at all."""

import pytest

from ringtide_contract.errors import InputError
from ringtide_engine.adapters.cel_conditions import MAX_EXPRESSION, CelConditions

DOCUMENT = {"share": "12.5%", "soak": "5m", "items": list(range(3000))}


def holds(expression: str) -> bool:
    return CelConditions().compile(expression, {"object": "any"}).holds({"object": DOCUMENT})


def test_shares_and_durations_can_be_compared() -> None:
    assert holds("percent(object.share) == 12.5 && seconds(object.soak) == 300")
    assert not holds("percent(object.share) > 12.5")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.share ==", "1:16: Syntax error"),
        ("params == 1", "undeclared reference to 'params'"),
        ("1 + 1", "gives INT, not true or false"),
        ("'a' == 1", "no matching overload"),
        ("(" * 200 + "true" + ")" * 200, "recursion limit"),
        ("true " + " " * MAX_EXPRESSION, "characters, not at most"),
    ],
)
def test_a_bad_expression_is_refused_when_it_is_compiled(expression: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        CelConditions().compile(expression, {"object": "any"})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.colour == 'red'", "Key not found"),
        ("object.share", "not true or false"),
        ("percent(object.soak) > 1.0", "'5m' is not a share"),
        ("object.items.all(a, object.items.all(b, object.items.all(c, a + b + c >= 0)))", "Iteration budget"),
    ],
)
def test_a_condition_that_cannot_answer_is_an_error(expression: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        holds(expression)
