"""Rules written as data: what they judge, what must hold, and what a finding says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ringtide_contract.ids import Digest
from ringtide_engine.model.finding import Document, Severity

RuleVariables = ("object", "old", "fleet", "params")
"""What a condition may read: the document, the same document in the base or null, `fleet.yaml`, the parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """`policies/<id>/rule.yaml`."""

    id: str
    """Id."""
    title: str
    """What it asks for."""
    severity: Severity
    """How grave a finding is, where the policy set says nothing else."""
    selects: str
    """Kind of document that it judges."""
    parameters: Mapping[str, object]
    """JSON Schema of the parameters."""
    condition: str
    """CEL expression that must hold."""
    message: str
    """Message with placeholders such as `{golden.name}` or `{params.most}`."""
    at: str
    """JSON pointer that a finding points to."""
    fix: str
    """What to do about it."""
    links: tuple[str, ...]
    """Pages that say more."""
    digest: Digest
    """SHA-256 of the file."""
    document: Document
    """The file, to find the line of a finding about the rule itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCase:
    """One sample and what the rule must say of it."""

    sample: str
    """Path within `samples/`."""
    old: str | None
    """Sample that stands for the same document in the base."""
    parameters: Mapping[str, object]
    """Parameters in place of the defaults."""
    expect: Literal["allowed", "disallowed"]
    """Whether the condition holds."""
    message: str | None
    """Text that the message must contain."""
    pointer: str
    """JSON pointer of the case within the suite."""


class PolicyEngine(Protocol):
    """Evaluates the conditions of policy rules."""

    def compile(self, expression: str, variables: Sequence[str]) -> "Condition":
        """Check an expression and make it ready.

        Raises:
            InputError: It does not parse, or names a variable that is not there.
        """


class Condition(Protocol):
    """A compiled condition."""

    def holds(self, variables: Mapping[str, object]) -> bool:
        """Evaluate it.

        Raises:
            InputError: It fails on these values, takes too long, or does not answer true or false.
        """
