"""A plan as a page: `plan.md`, for the job summary and for people without GitHub."""

from ringtide_engine.model.plan_report import PlanReport
from ringtide_engine.render.plan_sections import plan_sections
from ringtide_engine.render.quantities import count_of, minute
from ringtide_engine.render.sections import write
from ringtide_engine.render.untrusted import code

LIMIT = 1_000_000
"""Bytes; the summary of a step on GitHub takes 1 MiB."""

NAMED = 20
"""Device ids in one place."""


def plan_markdown(report: PlanReport, *, version: str) -> str:
    """Write a plan as a page.

    Args:
        report: The plan.
        version: Version of ringtide.
    """
    sections = plan_sections(report, named=NAMED)
    return write(heading(report), sections, footer(report, version), limit=LIMIT, elsewhere="in plan.json")


def heading(report: PlanReport) -> str:
    """Write what a reader sees first: how many devices change, and whether anything stands against it."""
    name = f" of fleet {code(report.fleet)}" if report.fleet else ""
    return f"### Plan{name}\n\n{_verdict(report)}\n\n"


def footer(report: PlanReport, version: str) -> str:
    """Write where a plan comes from, its digest, and how to make it again."""
    base = "nothing" if report.base_commit is None else code(report.base_commit)
    head = "the work tree" if report.head_commit is None else code(report.head_commit)
    digest = "there is none" if report.plan is None else code(report.plan.digest)
    options = [
        f"{option} {commit}"
        for option, commit in (("--base", report.base_commit), ("--head", report.head_commit))
        if commit is not None
    ]
    command = code(" ".join(("ringtide plan", *options)))
    return (
        f"---\nPlan digest: {digest}\n\nFrom {base} to {head}, at {minute(report.at)}, "
        f"by ringtide {code(version)}. Reproduce: {command}\n"
    )


def _verdict(report: PlanReport) -> str:
    counts = _counts(report)
    if report.plan is None:
        return f"**This change cannot be planned.** {counts}"
    if report.is_empty:
        said = "**No changes.**"
    else:
        lost = sum(each.row.now + each.row.later for each in report.rings if each.row.after is None)
        said = (
            f"**{report.devices_now:,} of {count_of(report.devices_total, 'device')} change with the next "
            f"publication; {report.devices_later:,} later, as rings open.** {lost:,} lose a model."
        )
    return f"{'**Refused.** ' if report.has_errors else ''}{said} {counts}"


def _counts(report: PlanReport) -> str:
    findings = [each for each in report.findings if each.waiver is None]
    counted = [
        count_of(count, noun)
        for noun, count in (
            ("danger", len(report.dangers)),
            ("error", sum(each.severity == "error" for each in findings)),
            ("warning", sum(each.severity == "warning" for each in findings)),
            ("waiver", len(report.waivers)),
        )
        if count
    ]
    rules = count_of(report.rules_applied, "policy rule")
    return f"{', '.join(counted) or 'Nothing found'}; {rules} applied."
