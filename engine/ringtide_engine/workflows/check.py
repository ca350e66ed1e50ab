"""Check: load, validate, judge by policy, waive. The same files and the same day give the same answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from ringtide_contract import API_VERSION
from ringtide_contract.canonical import Json, encode
from ringtide_contract.errors import InputError
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.known_fields import unknown_fields
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.change import Weakening
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, FindingsError
from ringtide_engine.model.policy import PolicyEngine, PolicyRule, WaiverInForce
from ringtide_engine.model.rules import RULES, finding
from ringtide_engine.resolve.view import FleetView
from ringtide_engine.shipped import rule_library
from ringtide_engine.validate.change import change_of
from ringtide_engine.validate.everything import validate
from ringtide_engine.validate.judging import Judged, judge, needs_resolution
from ringtide_engine.validate.policy import AppliedRule, apply, choose
from ringtide_engine.validate.waivers import waive
from ringtide_engine.validate.weakened import weakenings

_QUARANTINE = "RT-QUARANTINE-"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What a check found."""

    state: DesiredState | None
    """The desired state; None where it could not be read."""
    findings: tuple[Finding, ...]
    """Everything found, sorted by place."""
    base: DesiredState | None
    """What the change starts from; None where there was nothing, or nothing that could be read."""
    policy_verdict: bytes
    """Canonical JSON: the rules applied, what they and the built-in checks found, and the waivers in use."""
    waivers: tuple[WaiverInForce, ...] = ()
    """Waivers in force, by name."""
    weakened: tuple[Weakening, ...] = ()
    """Rules that ask for less than in the base."""
    unjudged: tuple[str, ...] = ()
    """Ids of chosen rules that were not asked: they read the resolved fleet, and errors kept it from being resolved."""

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(each.severity == "error" for each in self.findings)

    def accepted(self) -> DesiredState:
        """Return the desired state of a check that passed.

        Raises:
            FindingsError: It did not; the error carries the findings.
        """
        if self.state is None or not self.passed:
            raise FindingsError(self.findings)
        return self.state

    def judged(self) -> DesiredState:
        """Return the desired state of a change that is the judge's alone.

        What people wrote is published already, so its errors are recorded and stop no verdict: a roll back least of all.

        Raises:
            FindingsError: It cannot be read, or brings, places or pins what is quarantined.
        """
        blocking = any(each.severity == "error" and each.rule.startswith(_QUARANTINE) for each in self.findings)
        if self.state is None or blocking:
            raise FindingsError(self.findings)
        return self.state


def check(
    files: Mapping[str, bytes],
    base_files: Mapping[str, bytes] | None,
    today: date,
    engine: PolicyEngine,
    library: Mapping[str, bytes] | None = None,
) -> CheckOutcome:
    """Check a desired state.

    Args:
        files: The fleet repository's files by path.
        base_files: The files that the change starts from; None where nothing was there before. A base that cannot be
            read counts as none: the change may be what mends it.
        today: The day on which waivers must not have expired.
        engine: Evaluates conditions.
        library: Rule library as `policies/<id>/...`; None for the one that comes with ringtide.
    """
    loaded = load_desired(files)
    if loaded.state is None:
        return _outcome(None, None, loaded.findings, (), ())
    state = loaded.state
    base = load_desired(base_files, loaded).state if base_files is not None else None
    shipped = rule_library() if library is None else library
    rules, mistaken = _rules(files, shipped)
    mistyped = _mistyped(state, rules, engine)
    ready, unready = choose(state, rules, engine)
    applied = tuple(each for each in ready if each.rule.id not in mistyped)
    built_in = (*loaded.findings, *validate(state, base))
    asked = tuple(each for each in applied if _sound(built_in) or not needs_resolution(each))
    weakened = weakenings(state, base, rules, _rules(base_files or {}, shipped)[0]) if base else ()
    judged = Judged(
        state=state,
        base=base,
        change=change_of(state, base, files, base_files or {}, weakened),
        fleet=FleetView(state, base),
        today=today.isoformat(),
    )
    typos = tuple(each for found in mistyped.values() for each in found)
    found = (*built_in, *mistaken, *typos, *unready, *judge(judged, asked))
    findings, waivers = waive(state, found, {each.rule.id for each in applied}, today)
    outcome = _outcome(state, base, findings, applied, waivers)
    unjudged = tuple(each.rule.id for each in applied if each not in asked)
    return replace(outcome, weakened=weakened, unjudged=unjudged)


def _mistyped(
    state: DesiredState, rules: Mapping[str, PolicyRule], engine: PolicyEngine
) -> Mapping[str, tuple[Finding, ...]]:
    """Return what is wrong with the conditions of the repository's own rules, whether they are chosen or not."""
    own = {name: rule for name, rule in rules.items() if rule.document.path in state.documents}
    chosen = {choice.rule for policies in state.policy_sets.values() for choice in policies.rules}
    wrong = {name: unknown_fields(rule) for name, rule in own.items()}
    for name in sorted(own.keys() - chosen):
        try:
            apply(own[name], own[name].severity, {}, engine)
        except InputError as error:
            place = own[name].document.place("/condition")
            wrong[name] = (finding("RT-POLICY-002", place, f"{name}: {error}"),)
    return {name: each for name, each in wrong.items() if each}


def _sound(built_in: tuple[Finding, ...]) -> bool:
    """Tell whether nothing that was found keeps the fleet from being resolved; what may be waived does not."""
    return all(each.severity != "error" or RULES[each.rule].waivable for each in built_in)


def _rules(
    files: Mapping[str, bytes], library: Mapping[str, bytes]
) -> tuple[Mapping[str, PolicyRule], tuple[Finding, ...]]:
    shipped, broken = load_rules(library)
    own, mistaken = load_rules(files)
    shadowing = tuple(
        finding("RT-POLICY-006", own[rule].document.place("/id"), f"the library has a rule {rule}")
        for rule in sorted(own.keys() & shipped.keys())
    )
    return {**own, **shipped}, (*broken, *mistaken, *shadowing)


def _outcome(
    state: DesiredState | None,
    base: DesiredState | None,
    findings: tuple[Finding, ...],
    applied: tuple[AppliedRule, ...],
    waivers: tuple[WaiverInForce, ...],
) -> CheckOutcome:
    ordered = tuple(sorted(findings, key=lambda each: (each.place, each.rule, each.message)))
    rules: list[Json] = [
        {
            "rule": each.rule.id,
            "digest": each.rule.digest,
            "severity": each.severity,
            "parameters": json.dumps(each.parameters, sort_keys=True, separators=(",", ":")),
        }
        for each in applied
    ]
    said: list[Json] = [{"rule": each.rule, "severity": each.severity, "path": each.place.path} for each in ordered]
    verdict: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": "PolicyVerdict",
        "rules": rules,
        "findings": said,
        "waivers": [each.name for each in waivers if each.covered],
    }
    return CheckOutcome(state=state, findings=ordered, base=base, policy_verdict=encode(verdict), waivers=waivers)
