"""Plan a change: what it does to devices, and the digest under which it is reviewed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_engine.compile import compile_tree
from ringtide_engine.compile.plan import Comparison, compare
from ringtide_engine.compile.report import Known, make_report
from ringtide_engine.compile.sides import Side
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.plan_report import PlanReport
from ringtide_engine.model.policy import PolicyEngine
from ringtide_engine.resolve import resolve, rollout_units
from ringtide_engine.workflows.check import CheckOutcome, check

_UNRESOLVABLE = frozenset({"RT-REF-003", "RT-REF-005"})
"""Findings that leave a rollout without rings, or a device without hardware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and the judgement of the change it belongs to."""

    plan: Plan
    """The plan."""
    findings: tuple[Finding, ...]
    """What `check` found; an error is among them only where nothing but the judge's files differ."""
    checked: CheckOutcome | None
    """The check of the head's files; None where the judge has moved on and other files were checked for the plan."""


def plan_change(
    base_files: Mapping[str, bytes] | None, files: Mapping[str, bytes], *, today: date, engine: PolicyEngine
) -> Planned:
    """Plan the change from one set of files to another.

    Both sides are seen with the progress and quarantine of the base, see `compile.plan`.

    Args:
        base_files: What was published last; None before the first publication.
        files: What shall be published.
        today: The day on which waivers must not have expired.
        engine: Evaluates policy conditions.

    Raises:
        FindingsError: The desired state has errors, and people changed it.
        InputError: It cannot be compiled.
    """
    seen = with_judgement_of(base_files, files)
    outcome = check(seen, base_files, today, engine)
    state = outcome.judged() if seen == base_files else outcome.accepted()
    plan = _compare(outcome, state).plan
    return Planned(plan=plan, findings=outcome.findings, checked=outcome if seen == files else None)


def plan_report(
    base_files: Mapping[str, bytes] | None,
    files: Mapping[str, bytes],
    *,
    now: datetime,
    engine: PolicyEngine,
    base_commit: str | None = None,
    head_commit: str | None = None,
) -> PlanReport:
    """Report everything that a reviewer of a change should read, errors or not; the plan in it is `plan_change`'s.

    Args:
        base_files: What was published last; None before the first publication.
        files: What shall be published.
        now: The present; waivers must not have expired, and rings begin from here on.
        engine: Evaluates policy conditions.
        base_commit: Commit of the base.
        head_commit: Commit of the change; None: the work tree.
    """
    seen = with_judgement_of(base_files, files)
    outcome = check(seen, base_files, now.date(), engine)
    compared: Comparison | None = None
    if outcome.state is not None and not any(each.rule in _UNRESOLVABLE for each in outcome.findings):
        try:
            compared = _compare(outcome, outcome.state)
        except InputError:
            if outcome.passed:
                raise
    known = Known(
        base_files=base_files,
        files=seen,
        base=outcome.base,
        state=outcome.state,
        weakened=outcome.weakened,
        waivers=outcome.waivers,
        findings=outcome.findings,
        rules_applied=len(json.loads(outcome.policy_verdict)["rules"]),
        base_commit=base_commit,
        head_commit=head_commit,
    )
    return make_report(known, compared, now)


def _compare(outcome: CheckOutcome, state: DesiredState) -> Comparison:
    side = _side(state)
    under_way = {each.rollout.rollout for each in side.resolution.assignments if each.rollout is not None}
    units = {name: rollout_units(side.state, side.resolution, name) for name in sorted(under_way)}
    return compare(None if outcome.base is None else _side(outcome.base), side, units, sha256(outcome.policy_verdict))


def with_judgement_of(base_files: Mapping[str, bytes] | None, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the people's files of `files` with the judge's files of the base."""
    if base_files is None:
        return files
    people = {path: content for path, content in files.items() if not is_judge_path(path)}
    return people | {path: content for path, content in base_files.items() if is_judge_path(path)}


def _side(state: DesiredState) -> Side:
    resolution = resolve(state)
    judged = bool(state.progress or state.quarantine)
    unjudged = replace(state, progress={}, quarantine=()) if judged else state
    root = compile_tree(unjudged, resolve(unjudged) if judged else resolution, None).head.root
    return Side(state=state, resolution=resolution, root=root)
