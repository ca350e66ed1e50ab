"""Plan a change: what it does to devices, and the digest under which it is reviewed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from ringtide_contract.ids import sha256
from ringtide_engine.compile import compile_tree
from ringtide_engine.compile.plan import make_plan
from ringtide_engine.compile.sides import Side
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.policy import PolicyEngine
from ringtide_engine.resolve import resolve, rollout_units
from ringtide_engine.workflows.check import CheckOutcome, check


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
    side, base = _side(outcome.judged() if seen == base_files else outcome.accepted()), outcome.base
    under_way = {each.rollout.rollout for each in side.resolution.assignments if each.rollout is not None}
    units = {name: rollout_units(side.state, side.resolution, name) for name in sorted(under_way)}
    policy = sha256(outcome.policy_verdict)
    plan = make_plan(None if base is None else _side(base), side, units, policy)
    return Planned(plan=plan, findings=outcome.findings, checked=outcome if seen == files else None)


def with_judgement_of(base_files: Mapping[str, bytes] | None, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the people's files of `files` with the judge's files of the base."""
    if base_files is None:
        return files
    people = {path: content for path, content in files.items() if not is_judge_path(path)}
    return people | {path: content for path, content in base_files.items() if is_judge_path(path)}


def _side(state: DesiredState) -> Side:
    unjudged = replace(state, progress={}, quarantine=())
    root = compile_tree(unjudged, resolve(unjudged), None).head.root
    return Side(state=state, resolution=resolve(state), root=root)
