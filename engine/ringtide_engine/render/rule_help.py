"""What a reader may want to know of a rule, whoever made it: built in, of a policy set, of ingest, or a danger flag."""

from collections.abc import Iterable
from dataclasses import dataclass

from ringtide_engine.model.dangers import KnownDanger
from ringtide_engine.model.finding import Finding, Severity
from ringtide_engine.model.policy import PolicyRule
from ringtide_engine.model.rules import BuiltInRule
from ringtide_engine.render.families import why

FINDINGS_PAGE = "docs/spec/findings.md"
"""The page about all ids, by its path in ringtide's repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHelp:
    """One rule, explained."""

    id: str
    """Stable id."""
    origin: str
    """Who made the rule, in words."""
    title: str
    """What it says, one sentence."""
    severity: Severity
    """How grave a finding is, where nobody says otherwise."""
    why: str
    """Why the rule is there; empty where the title says it."""
    fix: str
    """What to do."""
    waivable: bool
    """Whether a waiver may cover it."""
    links: tuple[str, ...] = ()
    """Pages that say more."""


def anchor(rule: str) -> str:
    """Return the place of a rule on the page about all ids."""
    return f"{FINDINGS_PAGE}#{rule.lower()}"


def help_of_built_in(rule: BuiltInRule, origin: str = "built into `ringtide check`") -> RuleHelp:
    """Explain a rule of a table."""
    return RuleHelp(
        id=rule.id,
        origin=origin,
        title=rule.title,
        severity=rule.severity,
        why=why(rule.id),
        fix=rule.fix,
        waivable=rule.waivable,
    )


def help_of_policy(rule: PolicyRule) -> RuleHelp:
    """Explain a rule of a library or of a fleet."""
    return RuleHelp(
        id=rule.id,
        origin=f"policy rule over {rule.selects}",
        title=rule.title,
        severity=rule.severity,
        why="",
        fix=rule.fix,
        waivable=True,
        links=rule.links,
    )


def help_of_danger(known: KnownDanger) -> RuleHelp:
    """Explain a danger flag."""
    return RuleHelp(
        id=known.id,
        origin="danger flag of `ringtide plan`",
        title=known.title,
        severity="warning",
        why=why(known.id),
        fix=known.advice,
        waivable=False,
    )


def help_of_finding(found: Finding) -> RuleHelp:
    """Explain a rule by one of its findings, where the rule itself is not at hand."""
    return RuleHelp(
        id=found.rule,
        origin="rule",
        title=f"Finding of the rule {found.rule}.",
        severity=found.severity,
        why="",
        fix=found.fix,
        waivable=False,
    )


def by_id(rules: Iterable[RuleHelp]) -> dict[str, RuleHelp]:
    """Return rules by id."""
    return {rule.id: rule for rule in rules}
