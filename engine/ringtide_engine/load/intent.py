"""Cohorts, placements, rollouts, policy sets and waivers: what people want of the fleet."""

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name, parse_version
from ringtide_engine.load import units
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.model.desired import (
    Cohort,
    Expression,
    Placement,
    PolicySet,
    Rollout,
    RuleChoice,
    Selector,
    Waiver,
)
from ringtide_engine.model.people import Abort, Approval, Pause


def cohort(path: str, at: Cursor) -> Cohort:
    """Read a cohort.

    Raises:
        MisfitError: A value that the model refuses.
    """
    selector = at.child("selector")
    labels = tuple(
        Expression(key=key, operator="In", values=(each.value,)) for key, each in selector.child("matchLabels").fields()
    )
    written = tuple(_expression(each) for each in selector.child("matchExpressions").items())
    return Cohort(
        path=path,
        name=at.read("name", parse_name),
        selector=Selector(expressions=(*labels, *written)),
        owner=at.get("owner"),
    )


def _expression(at: Cursor) -> Expression:
    operator, values = at.get("operator"), tuple(at.get("values", ()))
    if (operator in ("In", "NotIn")) != bool(values):
        said = f"{operator} takes values" if operator in ("In", "NotIn") else f"{operator} takes no values"
        raise MisfitError(at.pointer, said)
    return Expression(key=at.get("key"), operator=operator, values=values)


def placement(path: str, at: Cursor) -> Placement:
    """Read a placement.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return Placement(
        path=path,
        name=at.read("name", parse_name),
        model=at.read("model", parse_name),
        cohort=at.read("cohort", parse_name),
        release=at.read("release", parse_version) if at.get("release") is not None else None,
        owner=at.get("owner"),
    )


def rollout(path: str, at: Cursor) -> Rollout:
    """Read a rollout.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return Rollout(
        path=path,
        name=at.read("name", parse_name),
        placement=at.read("placement", parse_name),
        candidate=at.read("candidate", parse_version),
        ring_plan=at.read("ringPlan", parse_name),
        owner=at.get("owner"),
        approvals=tuple(
            Approval(
                by=each.get("by"),
                role=each.read("role", parse_name),
                day=each.read("date", units.day),
                ring=each.get("ring"),
            )
            for each in at.child("approvals").items()
        ),
        paused=_pause(at.child("paused")),
        abort=_abort(at.child("abort")),
    )


def _pause(at: Cursor) -> Pause | None:
    if at.value is None:
        return None
    since = at.read("since", units.day) if at.get("since") is not None else None
    return Pause(by=at.get("by"), reason=at.read("reason", _reason), since=since)


def _abort(at: Cursor) -> Abort | None:
    return None if at.value is None else Abort(by=at.get("by"), reason=at.read("reason", _reason))


def policy_set(path: str, at: Cursor) -> PolicySet:
    """Read a policy set.

    Raises:
        MisfitError: A value that the model refuses.
    """
    rules = tuple(
        RuleChoice(
            rule=each.read("rule", parse_name),
            severity=each.get("severity"),
            parameters=each.get("parameters", {}),
            pointer=each.pointer,
        )
        for each in at.child("rules").items()
    )
    return PolicySet(path=path, name=at.read("name", parse_name), rules=rules)


def waiver(path: str, at: Cursor) -> Waiver:
    """Read a waiver.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return Waiver(
        path=path,
        name=at.read("name", parse_name),
        rule=at.get("rule"),
        scope=tuple(at.get("scope")),
        reason=at.read("reason", _reason),
        owner=at.get("owner"),
        expires=at.read("expires", units.day),
    )


def _reason(value: str) -> str:
    if not value.strip():
        raise InputError("the reason is empty")
    return value.strip()
