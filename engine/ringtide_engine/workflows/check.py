"""Check: load, validate, judge by policy, waive. The same files and the same day give the same answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ringtide_contract import API_VERSION
from ringtide_contract.canonical import Json, encode
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, FindingsError
from ringtide_engine.model.policy import PolicyEngine, PolicyRule
from ringtide_engine.model.rules import finding
from ringtide_engine.shipped import rule_library
from ringtide_engine.validate.everything import validate
from ringtide_engine.validate.policy import AppliedRule, choose, judge
from ringtide_engine.validate.waivers import waive

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
    base = load_desired(base_files).state if base_files is not None else None
    rules, mistaken = _rules(files, rule_library() if library is None else library)
    applied, unready = choose(loaded.state, rules, engine)
    found = (*loaded.findings, *validate(loaded.state, base), *mistaken, *unready, *judge(loaded.state, base, applied))
    findings, waivers = waive(loaded.state, found, {each.rule.id for each in applied}, today)
    return _outcome(loaded.state, base, findings, applied, waivers)


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
    waivers: tuple[str, ...],
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
        "waivers": list(waivers),
    }
    return CheckOutcome(state=state, findings=ordered, base=base, policy_verdict=encode(verdict))
