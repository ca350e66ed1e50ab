"""A plan as the comment on a pull request."""

import re

from ringtide_engine.model.plan_report import PlanReport
from ringtide_engine.render.plan_markdown import footer, heading
from ringtide_engine.render.plan_sections import plan_sections
from ringtide_engine.render.sections import write

LIMIT = 60_000
"""Bytes, and so characters at most. GitHub takes 65,536 characters; the rest is for who adds the history of a comment."""

NAMED = 5
"""Device ids in one place."""


def comment(report: PlanReport, *, version: str) -> str:
    """Write a plan as a comment; its first line is the marker by which it is found again.

    Args:
        report: The plan.
        version: Version of ringtide.
    """
    head = f"{marker(report.fleet)}\n{heading(report)}"
    sections = plan_sections(report, named=NAMED)
    return write(head, sections, footer(report, version), limit=LIMIT, elsewhere="in the job summary")


def marker(fleet: str) -> str:
    """Return the line that marks the one comment of a fleet."""
    return f"<!-- ringtide:plan:v1 fleet={re.sub(r'[^a-z0-9._]+', '-', fleet.lower())[:63] or '-'} -->"
