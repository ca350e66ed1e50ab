"""A plan as plain values: `plan.json`. Members are only ever added; `docs/spec/plan.schema.json` describes them."""

from typing import Any

from ringtide_contract import API_VERSION
from ringtide_contract.ids import format_instant
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan import Plan, PlanRow, StratumRow
from ringtide_engine.model.plan_report import Devices, Estimate, PlanReport, RingReport
from ringtide_engine.render.findings_json import findings_data


def plan_json(report: PlanReport) -> dict[str, Any]:
    """Return a plan as plain values.

    Args:
        report: The plan.
    """
    plan = report.plan
    return {
        "apiVersion": API_VERSION,
        "kind": "PlanResult",
        "fleet": report.fleet,
        "at": format_instant(report.at),
        "baseCommit": report.base_commit,
        "headCommit": report.head_commit,
        "digest": None if plan is None else plan.digest,
        "base": None if plan is None else plan.base,
        "head": None if plan is None else plan.head,
        "policySha256": None if plan is None else plan.policy,
        "empty": report.is_empty,
        "passed": not report.has_errors,
        "devices": {"total": report.devices_total, "now": report.devices_now, "later": report.devices_later},
        "rows": [_ring(each) for each in report.rings],
        "changes": [] if plan is None else _changes(plan),
        "memberships": [
            {
                "cohort": each.cohort,
                "placement": each.placement,
                "joined": _devices(each.joined),
                "left": _devices(each.left),
                "effect": each.effect,
            }
            for each in report.memberships
        ],
        "dangers": [
            {
                "id": each.id,
                "title": each.title,
                "message": each.message,
                "advice": each.advice,
                **_place(each.place),
            }
            for each in report.dangers
        ],
        "omissions": [
            {
                "kind": each.kind,
                "subject": each.subject,
                "message": each.message,
                "why": each.why,
                "until": each.until,
                "devices": _devices(each.devices),
            }
            for each in report.omissions
        ],
        "unsatisfiable": [
            {
                "rollout": each.rollout,
                "ring": each.ring,
                "gate": each.gate,
                "why": each.why,
                **_place(each.place),
            }
            for each in report.unsatisfiable
        ],
        "waivers": [
            {
                "name": each.name,
                "rule": each.rule,
                "scope": list(each.scope),
                "reason": each.reason,
                "owner": each.owner,
                "expires": each.expires.isoformat(),
                "used": each.is_used,
            }
            for each in report.waivers
        ],
        "simulated": list(report.simulated),
        "rulesApplied": report.rules_applied,
        "findings": findings_data(report.findings),
    }


def _ring(each: RingReport) -> dict[str, Any]:
    row = each.row
    return {
        "cause": row.cause,
        "ring": row.ring,
        "model": row.model,
        "from": row.before,
        "to": row.after,
        **_counts(row),
        "state": each.state,
        "starts": _estimate(each.starts),
        "finishes": _estimate(each.finishes),
        "gates": list(each.gates),
        "strata": [{"stratum": part.stratum, **_counts(part), "variants": list(part.variants)} for part in row.strata],
    }


def _counts(row: PlanRow | StratumRow) -> dict[str, int]:
    return {
        "now": row.now,
        "later": row.later,
        "held": row.held,
        "pinned": row.pinned,
        "blocked": row.blocked,
        "fetchBytes": row.fetch_bytes,
    }


def _changes(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"model": each.model, "from": each.before, "to": each.after, "devices": list(each.devices)}
        for each in plan.changes
    ]


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"at": None if estimate.at is None else format_instant(estimate.at), "reason": estimate.reason}


def _devices(devices: Devices) -> dict[str, Any]:
    return {"count": devices.count, "first": list(devices.first)}


def _place(place: Place) -> dict[str, Any]:
    return {"path": place.path, "line": place.line, "column": place.column}
