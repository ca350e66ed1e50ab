"""Rules written as data: what they judge, what must hold, and what a finding says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal, Protocol

from ringtide_contract.ids import Digest
from ringtide_engine.model.finding import Document, Severity

VariableType = Literal["any", "text", "integer", "number", "boolean", "texts"]
"""Type of a variable, as far as it is known before a condition runs; `texts` is a list of text."""

RULE_VARIABLES: Mapping[str, VariableType] = MappingProxyType(
    {"object": "any", "old": "any", "fleet": "any", "params": "any", "today": "text"}
)
"""What a condition may read: the document, the same document in the base or null, the fleet, parameters, the day."""

RESOLVED_PARTS = frozenset({"cohorts", "strata", "assignments", "running", "installed", "rollouts", "plan"})
"""Parts of `fleet` that are there only where the built-in checks found no error."""

RuleGroup = Literal["supply-chain", "rollout-safety", "hardware", "governance", "hygiene"]
"""What a rule looks after."""

RuleLanguage = Literal["cel", "rego"]
"""Language of a condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A requirement of a published framework that a rule serves."""

    name: str
    """Framework, such as `SLSA`."""
    reference: str
    """Requirement within it, such as `Build L2`."""


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
    """Expression that must hold."""
    message: str
    """Message with placeholders such as `{golden.name}` or `{params.most}`."""
    at: str
    """JSON pointer that a finding points to."""
    fix: str
    """What to do about it."""
    links: tuple[str, ...]
    """Pages that say more."""
    group: RuleGroup | None
    """What it looks after; None where its author put it in no group."""
    frameworks: tuple[Framework, ...]
    """Requirements that it serves."""
    language: RuleLanguage
    """Language of the condition."""
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
    fleet: Mapping[str, object]
    """Parts of the fleet in place of those of the sample fleet."""
    today: date | None
    """The day on which the case is judged; None for the suites' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverInForce:
    """A waiver that has not expired, and what it does."""

    name: str
    """Name."""
    rule: str
    """Id of the rule that it excepts from."""
    owner: str
    """Who answers for it."""
    reason: str
    """Why."""
    expires: date
    """Last day on which it holds."""
    scope: tuple[str, ...]
    """Paths of the files it covers."""
    covered: int
    """Findings that it covers; none is a finding itself."""

    @property
    def is_used(self) -> bool:
        """Whether it covers a finding."""
        return self.covered > 0


class PolicyEngine(Protocol):
    """Evaluates the conditions of policy rules."""

    def compile(
        self, expression: str, variables: Mapping[str, VariableType], language: RuleLanguage = "cel"
    ) -> "Condition":
        """Check an expression and make it ready.

        Args:
            expression: The expression.
            variables: What it may read, with types; `params.atMost` gives the type of a field of `params`.
            language: Language of the expression.

        Raises:
            InputError: It does not parse, names a variable that is not there, or misuses a type.
        """


class Condition(Protocol):
    """A compiled condition."""

    def holds(self, variables: Mapping[str, object]) -> bool:
        """Evaluate it.

        Raises:
            InputError: It fails on these values, takes too long, or does not answer true or false.
        """
