"""Conditions of policy rules in CEL, by `cel-expr-python`: compiled once, type-checked, with a budget of iterations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ringtide_contract.errors import InputError
from ringtide_engine.load import units
from ringtide_engine.model.policy import Condition

try:
    from cel_expr_python import cel
except ImportError as error:
    raise InputError("policies need the engine's libraries: pip install 'ringtide[engine]'") from error

MAX_EXPRESSION = 4000
"""Characters; the compiler's own limit on nesting bounds the rest."""


def _percent(text: str) -> float:
    """`percent("12.5%")` is 12.5."""
    return float(units.share(1_000_000)(text) * 100)


def _seconds(text: str) -> int:
    """`seconds("5m")` is 300."""
    return int(units.duration(text).total_seconds())


def _functions() -> list[Any]:
    string = cel.Type.STRING

    def declare(name: str, implementation: Any, result: Any) -> Any:
        overload = cel.Overload(id=f"{name}_string", return_type=result, parameters=[string], impl=implementation)
        return cel.FunctionDecl(name=name, overloads=[overload])

    return [declare("percent", _percent, cel.Type.DOUBLE), declare("seconds", _seconds, cel.Type.INT)]


class CelConditions:
    """A `PolicyEngine`.

    Beside CEL's own functions there are `percent("12.5%")`, a double, and `seconds("5m")`, an integer.
    """

    def compile(self, expression: str, variables: Sequence[str]) -> Condition:
        """Check an expression and make it ready.

        Raises:
            InputError: It does not parse, names a variable that is not there, or cannot answer true or false.
        """
        if len(expression) > MAX_EXPRESSION:
            raise InputError(f"the condition has {len(expression)} characters, not at most {MAX_EXPRESSION}")
        try:
            environment = cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), functions=_functions())
            compiled = environment.compile(expression)
        except Exception as error:  # the library raises RuntimeError, TypeError and its own
            raise InputError(f"not valid CEL: {_first(error)}") from error
        if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            raise InputError(f"the condition gives {compiled.return_type().name()}, not true or false")
        return _CelCondition(compiled)


class _CelCondition:
    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def holds(self, variables: Mapping[str, object]) -> bool:
        """Evaluate it.

        Raises:
            InputError: It fails on these values, runs out of iterations, or does not answer true or false.
        """
        try:
            answer = self._compiled.eval(data=dict(variables))
            kind, value = answer.type(), answer.value()
        except Exception as error:  # the library raises RuntimeError, TypeError and its own
            raise InputError(f"the condition fails: {_first(error)}") from error
        if kind != cel.Type.BOOL:
            said = str(value) if kind == cel.Type.ERROR else f"it gives {kind.name()}, not true or false"
            raise InputError(f"the condition fails: {_first(said)}")
        return bool(value)


_STATUS = re.compile(r"^(?:[A-Z_]+: )+|<input>:| expecting \{.*\}| \[[A-Z_]+\]$")


def _first(error: object) -> str:
    """Return the first line of what the library says, without its status codes and lists of tokens."""
    return _STATUS.sub("", str(error).strip().partition("\n")[0])[:300]
