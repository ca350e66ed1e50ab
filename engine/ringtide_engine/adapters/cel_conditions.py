"""Conditions of policy rules in CEL, by `cel-expr-python`: compiled once, type-checked, with a budget of iterations."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ringtide_contract.errors import InputError
from ringtide_engine.load import units
from ringtide_engine.model.policy import Condition, RuleLanguage, VariableType

try:
    from cel_expr_python import cel
except ImportError as error:
    raise InputError("policies need the engine's libraries: pip install 'ringtide[engine]'") from error

MAX_EXPRESSION = 4000
"""Characters; the compiler's own limit on nesting bounds the rest."""

_EPOCH = date(1970, 1, 1)


def _percent(text: str) -> float:
    """`percent("12.5%")` is 12.5."""
    return float(units.share(1_000_000)(text) * 100)


def _seconds(text: str) -> int:
    """`seconds("5m")` is 300."""
    return int(units.duration(text).total_seconds())


def _in_bytes(amount: str | int) -> int:
    """`inBytes("96MiB")` is 100663296; plain numbers stay as they are."""
    return units.size(amount)


def _micros(text: str) -> int:
    """`micros("20ms")` is 20000."""
    return units.latency_us(text)


def _days(text: str) -> int:
    """`days("1970-01-02")` is 1."""
    return (units.day(text) - _EPOCH).days


def _in_range(version: str, asked: str) -> bool:
    """`inRange("1.20.1", ">=1.20,<2")` is true."""
    try:
        return SpecifierSet(units.version_range(asked)).contains(Version(version), prereleases=True)
    except InvalidVersion as error:
        raise InputError(f"{version!r} is not a version such as 1.20.1") from error


def _functions() -> list[Any]:
    string, integer = cel.Type.STRING, cel.Type.INT

    def declare(name: str, implementation: Any, result: Any, *signatures: list[Any]) -> Any:
        overloads = [
            cel.Overload(
                id="_".join([name, *(each.name().lower() for each in parameters)]),
                return_type=result,
                parameters=parameters,
                impl=implementation,
            )
            for parameters in signatures
        ]
        return cel.FunctionDecl(name=name, overloads=overloads)

    return [
        declare("percent", _percent, cel.Type.DOUBLE, [string]),
        declare("seconds", _seconds, integer, [string]),
        declare("inBytes", _in_bytes, integer, [string], [integer]),
        declare("micros", _micros, integer, [string]),
        declare("days", _days, integer, [string]),
        declare("inRange", _in_range, cel.Type.BOOL, [string, string]),
    ]


_TYPES: Mapping[VariableType, Any] = {
    "any": cel.Type.DYN,
    "text": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
    "texts": cel.Type.List(cel.Type.STRING),
}


class CelConditions:
    """A `PolicyEngine`.

    Beside CEL's own functions there are `percent("12.5%")`, a double, `inRange("1.20.1", ">=1.20,<2")`, a boolean, and the
    integers `seconds("5m")`, `inBytes("96MiB")`, `micros("20ms")` and `days("2026-12-31")`, counted from 1970.
    """

    def compile(
        self, expression: str, variables: Mapping[str, VariableType], language: RuleLanguage = "cel"
    ) -> Condition:
        """Check an expression and make it ready.

        Raises:
            InputError: It does not parse, names a variable that is not there, misuses a type, or cannot answer true or
                false.
        """
        if language != "cel":
            raise InputError(f"the condition is in {language}, not in cel")
        if len(expression) > MAX_EXPRESSION:
            raise InputError(f"the condition has {len(expression)} characters, not at most {MAX_EXPRESSION}")
        try:
            types = {name: _TYPES[kind] for name, kind in variables.items()}
            compiled = cel.NewEnv(variables=types, functions=_functions()).compile(expression)
        except Exception as error:  # the library raises RuntimeError, TypeError and its own
            raise InputError(f"not valid CEL: {_first(error)}") from error
        if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            raise InputError(f"the condition gives {compiled.return_type().name()}, not true or false")
        return _CelCondition(compiled, {name: kind for name, kind in variables.items() if "." in name})


class _CelCondition:
    def __init__(self, compiled: Any, fields: Mapping[str, VariableType]) -> None:
        self._compiled = compiled
        self._fields = [(name, name.split(".", 1), kind == "number") for name, kind in fields.items()]

    def holds(self, variables: Mapping[str, object]) -> bool:
        """Evaluate it.

        Raises:
            InputError: It fails on these values, runs out of iterations, or does not answer true or false.
        """
        data = dict(variables)
        for name, (variable, field), is_number in self._fields:
            whole: Any = variables.get(variable)
            if isinstance(whole, Mapping) and field in whole:
                data[name] = float(whole[field]) if is_number else whole[field]
        try:
            answer = self._compiled.eval(data=data)
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
