"""A plan as a table and as plain values."""

from collections.abc import Sequence
from typing import Any

from ringtide_engine.model.plan import Plan, PlanRow
from ringtide_engine.render.quantities import readable_bytes

COLUMNS = ("cause", "ring", "model", "from", "to", "now", "later", "held", "pinned", "to fetch")


def plan_cells(rows: Sequence[PlanRow]) -> list[list[str]]:
    """Return the rows of a plan as text."""
    return [
        [
            row.cause,
            row.ring or "-",
            row.model,
            row.before or "-",
            row.after or "-",
            str(row.now),
            str(row.later),
            str(row.held),
            str(row.pinned),
            readable_bytes(row.fetch_bytes),
        ]
        for row in rows
    ]


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values."""
    return {
        "apiVersion": "ringtide/v1",
        "kind": "PlanResult",
        "digest": plan.digest,
        "base": plan.base,
        "head": plan.head,
        "policySha256": plan.policy,
        "rows": rows_data(plan.rows),
        "changes": [
            {"model": each.model, "from": each.before, "to": each.after, "devices": list(each.devices)}
            for each in plan.changes
        ],
    }


def rows_data(rows: Sequence[PlanRow]) -> list[dict[str, Any]]:
    """Return the rows of a plan as plain values."""
    return [
        {
            "cause": row.cause,
            "ring": row.ring,
            "model": row.model,
            "from": row.before,
            "to": row.after,
            "now": row.now,
            "later": row.later,
            "held": row.held,
            "pinned": row.pinned,
            "fetchBytes": row.fetch_bytes,
        }
        for row in rows
    ]
