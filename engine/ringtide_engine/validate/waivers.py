"""The room's third door: reasoned, scoped, expiring exceptions."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from ringtide_engine.model.desired import DesiredState, Waiver
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.policy import WaiverInForce
from ringtide_engine.model.rules import RULES, finding


def waive(
    state: DesiredState, findings: Sequence[Finding], rules: Collection[str], today: date
) -> tuple[tuple[Finding, ...], tuple[WaiverInForce, ...]]:
    """Turn what a waiver in force covers into infos that name it.

    Args:
        state: Its waivers hold.
        findings: Everything found so far.
        rules: Ids of the policy rules in force; with the built-in rules that may be waived.
        today: The day on which waivers must not have expired.

    Returns:
        The findings, those about waivers among them, and the waivers in force, by name.
    """
    known = {*rules, *(rule.id for rule in RULES.values() if rule.waivable)}
    about: list[Finding] = []
    in_force: list[Waiver] = []
    for name in sorted(state.waivers):
        waiver = state.waivers[name]
        document = state.documents[waiver.path]
        if waiver.rule not in known:
            message = f"{waiver.rule} is not a rule in force that a waiver may cover"
            about.append(finding("RT-WAIVER-003", document.place("/rule"), message))
        elif waiver.expires < today:
            message = f"{name} expired on {waiver.expires.isoformat()}"
            about.append(finding("RT-WAIVER-001", document.place("/expires"), message))
        else:
            in_force.append(waiver)
    covered: Counter[str] = Counter()
    answer: list[Finding] = []
    for each in findings:
        waiver_ = next((waiver for waiver in in_force if _covers(waiver, each)), None)
        if waiver_ is None:
            answer.append(each)
            continue
        covered[waiver_.name] += 1
        message = f"{each.message} (waived by {waiver_.name} until {waiver_.expires.isoformat()}: {waiver_.reason})"
        answer.append(replace(each, severity="info", message=message, waiver=waiver_.name))
    for waiver in in_force:
        if not covered[waiver.name]:
            message = f"{waiver.name} covers no finding"
            about.append(finding("RT-WAIVER-002", state.documents[waiver.path].place("/scope"), message))
    return (*answer, *about), tuple(_noun(waiver, covered[waiver.name]) for waiver in in_force)


def _noun(waiver: Waiver, covered: int) -> WaiverInForce:
    return WaiverInForce(
        name=waiver.name,
        rule=waiver.rule,
        owner=waiver.owner,
        reason=waiver.reason,
        expires=waiver.expires,
        scope=waiver.scope,
        covered=covered,
    )


def _covers(waiver: Waiver, each: Finding) -> bool:
    return waiver.rule == each.rule and any(_matches(each.place.path, pattern) for pattern in waiver.scope)


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
