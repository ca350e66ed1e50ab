"""A plan as people read it at the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ringtide_engine.cli import rendering
from ringtide_engine.model.plan import PlanRow
from ringtide_engine.model.plan_report import PlanReport, RingReport
from ringtide_engine.render.quantities import count_of, minute, readable_bytes
from ringtide_engine.render.untrusted import log_line

FEW_STRATA = 6
"""Up to so many lines of strata are shown without `-o wide`."""

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


def show(report: PlanReport, files: Mapping[str, bytes], *, wide: bool) -> None:
    """Write a plan for people: the headline first, the digest last.

    Args:
        report: The plan.
        files: Sources of the findings.
        wide: Whether to show every stratum.
    """
    if report.plan is None and not report.dangers:  # nothing to show but why
        rendering.talk(rendering.findings_text(report.findings, files))
        rendering.talk(headline(report))
    elif report.is_empty and not report.findings:
        rendering.talk("no changes")
    elif report.is_empty:
        rendering.talk(rendering.findings_text(report.findings, files))
        rendering.talk("no changes")
    else:
        _show_change(report, files, wide=wide)
    if report.plan is not None:
        click.echo(f"plan digest: {report.plan.digest}")


def headline(report: PlanReport) -> str:
    """Say in one line what the change does."""
    if report.plan is None:
        said = "the change cannot be resolved, so no device can be named"
    elif not report.rings:
        said = "no device changes what it runs"
    else:
        rings = sorted({each.row.ring for each in report.rings if each.row.ring and each.row.now})
        where = f" (ring {', '.join(rings)})" if rings else ""
        verb = "changes" if report.devices_now == 1 else "change"
        said = f"{report.devices_now:,} of {count_of(report.devices_total, 'device')} {verb} now{where}"
        said += f"; {report.devices_later:,} later, after gates" if report.devices_later else ""
    return f"{said}; {count_of(len(report.dangers), 'danger flag')}"


def _show_change(report: PlanReport, files: Mapping[str, bytes], *, wide: bool) -> None:
    click.echo(log_line(headline(report)))
    for danger in report.dangers:
        _say(f"danger[{danger.id}] {danger.place}: {danger.message}")
        _say(f"  {danger.title} {danger.advice}")
    if report.rings:
        click.echo()
        rendering.write_table((*COLUMNS, "blocked", "starts", "done"), [_cells(each) for each in report.rings])
    strata = [_stratum(each, part) for each in report.rings for part in range(len(each.row.strata))]
    if wide or len(report.rings) < len(strata) <= FEW_STRATA:
        click.echo()
        rendering.write_table(
            ("cause", "ring", "stratum", "now", "later", "held", "pinned", "blocked", "variants"), strata
        )
    _section(
        "joining and leaving:",
        [_membership(each.cohort, each.joined.count, each.left.count, each.effect) for each in report.memberships],
    )
    omissions = [f"{each.subject}: {each.message}; {each.why}; until {each.until}" for each in report.omissions]
    _section("what will not happen:", omissions)
    never = [
        f"{each.rollout}, ring {each.ring}{f', {each.gate}' if each.gate else ''}: {each.why}"
        for each in report.unsatisfiable
    ]
    _section("what can never pass:", never)
    _section("if a candidate is bad:", report.simulated)
    waivers = [
        f"{each.name}: {each.rule} until {each.expires}, {each.owner}: {each.reason}"
        + ("" if each.is_used else " (covers nothing)")
        for each in report.waivers
    ]
    _section("waivers in force:", waivers)
    if report.findings:
        rendering.talk(rendering.findings_text(report.findings, files))
    if report.base_commit is not None:
        head = f" --head {report.head_commit}" if report.head_commit else ""
        _say(f"again: ringtide plan --base {report.base_commit}{head}")


def _cells(each: RingReport) -> list[str]:
    times = [minute(estimate.at) if estimate.at else "-" for estimate in (each.starts, each.finishes)]
    return [*plan_cells([each.row])[0], str(each.row.blocked), *times]


def _stratum(each: RingReport, number: int) -> list[str]:
    part = each.row.strata[number]
    counts = [str(count) for count in (part.now, part.later, part.held, part.pinned, part.blocked)]
    return [each.row.cause, each.row.ring or "-", part.stratum, *counts, ", ".join(part.variants) or "-"]


def _membership(cohort: str, joined: int, left: int, effect: str) -> str:
    return f"cohort {cohort}: {joined} join, {left} leave; {effect}"


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        click.echo()
        click.echo(title)
        for line in lines:
            _say(f"  {line}")


def _say(text: str) -> None:
    indent = len(text) - len(text.lstrip(" "))
    click.echo(" " * indent + log_line(text))
