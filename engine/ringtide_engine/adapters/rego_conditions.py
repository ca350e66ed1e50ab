"""Conditions of policy rules in Rego: evaluated by a process of their own, which the kernel bounds."""

import json
import re
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ringtide_contract.errors import InputError
from ringtide_engine.model.policy import Condition, RuleLanguage, VariableType

MAX_MODULE = 4000
"""Characters of a module."""

MAX_INPUT = 8 << 20
"""Characters of JSON that one evaluation gets."""

LIMIT_S = 5
"""Seconds of computing for one evaluation."""

_WORKER = Path(__file__).with_name("rego_worker.py")
_UNSTEADY = re.compile(r"\b(?:http\.send|net\.[a-z_]+|opa\.runtime|rand\.[a-z_]+|time\.now_ns|uuid\.rfc4122)\b")
_PLACE = re.compile(r"--> condition:(\d+):(\d+)")
_CAUSE = re.compile(r"error: (.+)")


class RegoConditions:
    """A `PolicyEngine` for modules `package ringtide.rule` with a rule `allow`.

    The variables of a condition are the fields of `input`. Where `allow` is undefined the condition does not hold.
    """

    def __init__(self, *, interpreter: Sequence[str] = (sys.executable, "-I"), limit_s: int = LIMIT_S) -> None:
        self._command = [*interpreter, str(_WORKER), str(limit_s)]
        self._limit_s = limit_s
        self._process: subprocess.Popen[str] | None = None
        self._known: set[str] = set()

    def compile(
        self, expression: str, variables: Mapping[str, VariableType], language: RuleLanguage = "rego"
    ) -> Condition:
        """Check a module and make it ready.

        Raises:
            InputError: It is no such module, names a variable or function that is not there, asks for what changes from one
                evaluation to the next, or the extra is not installed.
        """
        if language != "rego":
            raise InputError(f"the condition is in {language}, not in rego")
        if len(expression) > MAX_MODULE:
            raise InputError(f"the condition has {len(expression)} characters, not at most {MAX_MODULE}")
        unsteady = _UNSTEADY.search(expression)
        if unsteady:
            raise InputError(f"not valid Rego here: {unsteady[0]} may answer differently each time")
        nothing: Mapping[str, object] = {name: {} for name in variables if "." not in name}
        answer = self._ask(expression, json.dumps(nothing))  # only an evaluation finds unknown names
        if "missing" in answer:
            raise InputError("rules in Rego need a library: pip install 'ringtide[rego]'")
        if "error" in answer:
            raise InputError(f"not valid Rego: {_worded(str(answer['error']))}")
        return _RegoCondition(self, expression)

    def evaluate(self, module: str, variables: Mapping[str, object]) -> bool:
        """Evaluate a module.

        Raises:
            InputError: It fails, takes too long or too much, or `allow` is neither true nor false.
        """
        try:
            given = json.dumps(variables, allow_nan=False, default=_plain)
        except (TypeError, ValueError) as error:
            raise InputError(f"the document cannot be written as JSON: {error}") from error
        if len(given) > MAX_INPUT:
            raise InputError(f"it reads {len(given)} characters of JSON, not at most {MAX_INPUT}")
        answer = self._ask(module, given)
        if "error" in answer:
            raise InputError(_worded(str(answer["error"])))
        return bool(answer["answer"])

    def _ask(self, module: str, given: str) -> Mapping[str, Any]:
        process = self._running()
        key = json.dumps(module)
        source = "" if module in self._known else f', "source": {key}'
        line = ""
        if process.stdin and process.stdout:
            try:
                process.stdin.write(f'{{"id": {key}{source}, "input": {given}}}\n')
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            self._process = None
            code = process.wait()
            _end(process)
            raise InputError(_death(code, self._limit_s))
        answer: Mapping[str, Any] = json.loads(line)
        if "answer" in answer:
            self._known.add(module)
        return answer

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
            )
            self._known = set()
            weakref.finalize(self, _end, self._process)
        return self._process


class _RegoCondition:
    def __init__(self, engine: RegoConditions, module: str) -> None:
        self._engine = engine
        self._module = module

    def holds(self, variables: Mapping[str, object]) -> bool:
        """Evaluate it.

        Raises:
            InputError: It fails on these values, takes too long or too much, or `allow` is neither true nor false.
        """
        try:
            return self._engine.evaluate(self._module, variables)
        except InputError as error:
            raise InputError(f"the condition fails: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is no plain data")


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _death(code: int, limit_s: int) -> str:
    if code == -signal.SIGXCPU:
        return f"it takes more than {limit_s} seconds of computing"
    return "it needs too much memory, or calls itself without end"


def _worded(error: str) -> str:
    """Return what the library says, without its picture of the source and its stack."""
    place, causes = _PLACE.search(error), _CAUSE.findall(error)
    cause = causes[-1] if causes else next(filter(None, map(str.strip, error.splitlines())), "it fails")
    if cause == "not a valid rule path":
        cause = "the module has no rule `allow`"
    return (f"line {place[1]}, column {place[2]}: {cause}" if place else cause)[:300]
