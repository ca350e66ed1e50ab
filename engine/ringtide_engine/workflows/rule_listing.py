"""Which rules there are, and which of them a fleet has chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.desired import read_document
from ringtide_engine.load.intent import policy_set
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.desired import RuleChoice
from ringtide_engine.model.finding import Finding, Severity
from ringtide_engine.model.policy import PolicyRule
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.parameters import with_defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """How a fleet has chosen a rule."""

    path: str
    """The policy set."""
    severity: Severity
    """Severity here."""
    parameters: Mapping[str, object]
    """Parameters here, defaults among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRule:
    """A rule, and what a fleet makes of it."""

    rule: PolicyRule
    """The rule."""
    own: bool
    """Whether it is the fleet's own, and not of the library."""
    in_force: InForce | None
    """How it is chosen; None where it is not."""


def list_rules(
    files: Mapping[str, bytes], library: Mapping[str, bytes]
) -> tuple[Mapping[str, ListedRule], tuple[Finding, ...]]:
    """List the rules of the library and those of a fleet.

    Args:
        files: The fleet repository's files below `policies/`; the rest is not looked at.
        library: The rule library.

    Returns:
        The rules by id, in the order of groups and ids; and what is wrong with files that cannot be read.
    """
    shipped, broken = load_rules(library)
    own, mistaken = load_rules(files)
    chosen, wrong = _choices(files)
    rules = {**own, **shipped}
    ordered = sorted(rules.values(), key=lambda each: (each.group or "~", each.id))
    listed = {
        rule.id: ListedRule(rule=rule, own=rule.id not in shipped, in_force=_in_force(rule, chosen)) for rule in ordered
    }
    return listed, (*broken, *mistaken, *wrong)


def _choices(files: Mapping[str, bytes]) -> tuple[Mapping[str, tuple[str, RuleChoice]], tuple[Finding, ...]]:
    """Return rule to the policy set and the choice; of several, the first, as `check` has it."""
    chosen: dict[str, tuple[str, RuleChoice]] = {}
    findings: list[Finding] = []
    for path in sorted(files):
        where = spot(path)
        if not isinstance(where, Spot) or where.kind != "PolicySet":
            continue
        document = read_document(path, files[path], "PolicySet")
        if isinstance(document, tuple):
            findings.extend(document)
            continue
        try:
            for choice in policy_set(path, Cursor(document.data)).rules:
                chosen.setdefault(choice.rule, (path, choice))
        except MisfitError as error:
            findings.append(finding("RT-SCHEMA-001", document.place(error.pointer), str(error)))
    return chosen, tuple(findings)


def _in_force(rule: PolicyRule, chosen: Mapping[str, tuple[str, RuleChoice]]) -> InForce | None:
    if rule.id not in chosen:
        return None
    path, choice = chosen[rule.id]
    return InForce(
        path=path, severity=choice.severity or rule.severity, parameters=with_defaults(rule, choice.parameters)
    )
