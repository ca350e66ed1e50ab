"""Findings as plain values: what `-o json` prints and `findings.json` holds."""

from collections.abc import Sequence
from typing import Any

from ringtide_contract import API_VERSION
from ringtide_engine.model.finding import Finding, Severity

GRAVITY: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
"""Severity to its rank; the worst comes first where not everything can be shown."""


def findings_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as plain values."""
    return [
        {
            "rule": each.rule,
            "severity": each.severity,
            "path": each.place.path,
            "line": each.place.line,
            "column": each.place.column,
            "message": each.message,
            "fix": each.fix,
            "waiver": each.waiver,
        }
        for each in findings
    ]


def check_result(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the answer of a check as plain values."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CheckResult",
        "passed": not any(each.severity == "error" for each in findings),
        "findings": findings_data(findings),
    }


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with errors first, each severity in the order given; what is waived comes last."""
    return sorted(findings, key=lambda each: (each.waiver is not None, GRAVITY[each.severity]))
