"""Explanations: of rules, of verdicts' reasons, of metrics and of exit codes; as text and as plain values."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ringtide_contract import API_VERSION
from ringtide_engine.model.policy import PolicyRule
from ringtide_engine.render.metrics import KnownMetric
from ringtide_engine.render.reasons import KnownReason
from ringtide_engine.render.rule_help import RuleHelp, anchor

Fact = tuple[str, str | tuple[str, ...]]
"""A label, and what it says; several values are shown one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Something that can be explained."""

    name: str
    """Its name."""
    about: str
    """What kind of thing it is."""
    title: str
    """What it says, in a sentence."""
    facts: tuple[Fact, ...]
    """The rest, in order."""


def rule_topic(rule: RuleHelp) -> Topic:
    """Explain a rule of a table, or a danger flag."""
    facts: list[Fact] = [("Why", rule.why)] if rule.why else []
    return Topic(
        name=rule.id,
        about=f"{rule.severity}, {rule.origin}",
        title=rule.title,
        facts=(*facts, ("Fix", rule.fix), ("Waiver", _yes(rule.waivable)), ("More", anchor(rule.id))),
    )


def policy_topic(rule: PolicyRule) -> Topic:
    """Explain a policy rule: its condition and parameters as its author wrote them."""
    facts: list[Fact] = [
        ("Condition", " ".join(rule.condition.split())),
        ("Language", rule.language),
        ("Parameters", parameters(rule)),
        ("Message", rule.message),
        ("Fix", rule.fix),
        ("Waiver", "yes"),
        ("Group", rule.group or ""),
        ("Serves", tuple(f"{each.name}: {each.reference}" for each in rule.frameworks)),
        ("Links", rule.links),
    ]
    return Topic(
        name=rule.id,
        about=f"{rule.severity}, policy rule over {rule.selects}",
        title=rule.title,
        facts=tuple((label, value) for label, value in facts if value),
    )


def parameters(rule: PolicyRule) -> tuple[str, ...]:
    """Return a line for every parameter of a rule, with its default."""
    properties = rule.parameters.get("properties", {})
    if not isinstance(properties, Mapping):
        return ()
    lines: list[str] = []
    for name, written in properties.items():
        schema = written if isinstance(written, Mapping) else {}
        default = f" (default {json.dumps(schema['default'], ensure_ascii=False)})" if "default" in schema else ""
        lines.append(f"{name}: {schema.get('description', '')}{default}".strip())
    return tuple(lines)


def reason_topic(code: str, reason: KnownReason) -> Topic:
    """Explain a reason of a verdict."""
    return Topic(
        name=code,
        about=f"reason to {reason.verdict}, given by `ringtide advance`",
        title=reason.title,
        facts=(("What to do", reason.advice), ("More", "docs/spec/verdicts.md")),
    )


def exit_topic(code: int, meaning: str) -> Topic:
    """Explain an exit code."""
    return Topic(name=f"exit-{code}", about="exit code of `ringtide`", title=meaning, facts=())


def metric_topic(name: str, metric: KnownMetric) -> Topic:
    """Explain a metric of a gate."""
    beside = ", noWorseThanControl (the limit is the margin)" if metric.beside_control else ""
    findings = ["RT-GATE-001", "RT-GATE-002", "RT-GATE-004", "RT-GATE-005"]
    findings += ["RT-GATE-003", "RT-RING-004"] if metric.beside_control else []
    return Topic(
        name=name,
        about="metric of a gate",
        title=metric.title,
        facts=(
            ("Unit", metric.unit),
            ("Reports", metric.reports),
            ("Devices", metric.evidence),
            ("Compare", f"{metric.compare}{beside}"),
            ("Limit", metric.limit),
            ("Proven", metric.proof),
            ("Findings", ", ".join(sorted(findings))),
            ("More", "docs/spec/verdicts.md#gates"),
        ),
    )


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three known names that `name` may have meant."""
    spelled = {each.lower(): each for each in known}
    return tuple(spelled[each] for each in get_close_matches(name.lower(), spelled, n=3, cutoff=0.5))


def topic_text(topic: Topic) -> str:
    """Write an explanation for people."""
    lines = [f"{topic.name}: {topic.about}", "", topic.title]
    if topic.facts:
        lines.append("")
    for label, value in topic.facts:
        if isinstance(value, str):
            lines.append(f"{label}: {value}")
        else:
            lines += [f"{label}:", *(f"  {each}" for each in value)]
    return "\n".join(lines)


def topic_data(topic: Topic) -> dict[str, Any]:
    """Return an explanation as plain values; labels become names."""
    facts = {_camel(label): value if isinstance(value, str) else list(value) for label, value in topic.facts}
    return {
        "apiVersion": API_VERSION,
        "kind": "Explanation",
        "name": topic.name,
        "about": topic.about,
        "title": topic.title,
        **facts,
    }


def _camel(label: str) -> str:
    first, *others = label.lower().split()
    return first + "".join(each.capitalize() for each in others)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
