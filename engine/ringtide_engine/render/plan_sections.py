"""The parts of a plan as Markdown sections, the most important first; comment and page are made of the same."""

from collections.abc import Iterator, Sequence

from ringtide_engine.model.finding import Finding
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.plan_report import Devices, Estimate, PlanReport, RingReport
from ringtide_engine.render.findings_json import worst_first
from ringtide_engine.render.quantities import count_of, minute, readable_bytes
from ringtide_engine.render.sections import Section
from ringtide_engine.render.untrusted import code, markdown

_RINGS = (
    "| Cause | Ring | Model | From | To | Now | Later | Held | Pinned | Blocked | Fetch | Starts | Done |\n"
    "|---|---|---|---|---|--:|--:|--:|--:|--:|--:|---|---|\n"
)
_STRATA = (
    "| Cause | Ring | Stratum | Now | Later | Held | Pinned | Blocked | Fetch | Variants |\n"
    "|---|---|---|--:|--:|--:|--:|--:|--:|---|\n"
)
_CHANGES = "| Model | From manifest | To manifest | Devices | |\n|---|---|---|--:|---|\n"
_WAIVERS = "| Waiver | Rule | Scope | Owner | Until | Used | Reason |\n|---|---|---|---|---|---|---|\n"


def plan_sections(report: PlanReport, *, named: int) -> tuple[Section, ...]:
    """Return every section of a plan; empty ones among them.

    Args:
        report: The plan.
        named: Most device ids to write out in one place.
    """
    grave = [each for each in worst_first(report.findings) if each.waiver is None and each.severity != "info"]
    others = [each for each in worst_first(report.findings) if each.waiver is not None or each.severity == "info"]
    return (
        Section(title="Danger", what="dangers", items=tuple(_dangers(report))),
        Section(title="Devices by ring", what="rows", lead=_RINGS, items=tuple(map(_ring, report.rings))),
        Section(title="What will not happen, and why", what="omissions", items=tuple(_omissions(report, named))),
        Section(title="What can never pass", what="rings and gates", items=tuple(_unsatisfiable(report))),
        Section(
            title="If a candidate is bad",
            what="rollouts",
            items=tuple(f"- {markdown(each)}\n" for each in report.simulated),
        ),
        Section(title="Findings", what="findings", items=tuple(map(_finding, grave))),
        Section(title="Joining and leaving cohorts", what="cohorts", items=tuple(_memberships(report, named))),
        Section(title="Gates and times", what="rings", items=tuple(_times(report.rings)), is_folded=True),
        Section(
            title="Devices by stratum", what="strata", lead=_STRATA, items=tuple(_strata(report.rings)), is_folded=True
        ),
        Section(
            title="Manifests", what="changes", lead=_CHANGES, items=tuple(_changes(report.plan, named)), is_folded=True
        ),
        Section(title="Waivers in force", what="waivers", lead=_WAIVERS, items=tuple(_waivers(report)), is_folded=True),
        Section(title="Infos and waived findings", what="findings", items=tuple(map(_finding, others)), is_folded=True),
    )


def _names(devices: Devices, named: int) -> str:
    """Write the first devices in brackets, and how many more there are; nothing where there is none."""
    first = devices.first[:named]
    if not first:
        return ""
    more = devices.count - len(first)
    return f" ({', '.join(map(code, first))}{f' and {more:,} more' if more > 0 else ''})"


def _dangers(report: PlanReport) -> Iterator[str]:
    for each in report.dangers:
        said = f"- :warning: **{markdown(each.title)}** {code(str(each.place))}: {markdown(each.message)}"
        yield f"{said}<br>{markdown(each.advice)} ({code(each.id)})\n"


def _ring(each: RingReport) -> str:
    row = each.row
    return _table_row(
        markdown(row.cause),
        markdown(row.ring or "–"),
        markdown(row.model),
        markdown(row.before or "–"),
        markdown(row.after or "–"),
        f"{row.now:,}",
        f"{row.later:,}",
        f"{row.held:,}",
        f"{row.pinned:,}",
        f"{row.blocked:,}",
        readable_bytes(row.fetch_bytes),
        _instant(each.starts),
        _instant(each.finishes),
    )


def _instant(estimate: Estimate) -> str:
    return "?" if estimate.at is None else minute(estimate.at)


def _omissions(report: PlanReport, named: int) -> Iterator[str]:
    for each in report.omissions:
        said = f"- **{markdown(each.subject)}:** {markdown(each.message)}{_names(each.devices, named)}"
        yield f"{said}<br>Why: {markdown(each.why)}; until {markdown(each.until)}\n"


def _unsatisfiable(report: PlanReport) -> Iterator[str]:
    for each in report.unsatisfiable:
        gate = f", gate {markdown(each.gate)}" if each.gate is not None else ""
        where = f"rollout {markdown(each.rollout)}, ring {markdown(each.ring)}{gate}"
        yield f"- **{where}:** {markdown(each.why)} {code(str(each.place))}\n"


def _finding(each: Finding) -> str:
    said = f"- **{each.severity}** {code(each.rule)} {code(str(each.place))} {markdown(each.message)}"
    return f"{said}<br>Fix: {markdown(each.fix)}\n"


def _memberships(report: PlanReport, named: int) -> Iterator[str]:
    for each in report.memberships:
        over = f" (placement {markdown(each.placement)})" if each.placement is not None else ""
        moves = [
            f"{count_of(devices.count, 'device')} {verb if devices.count != 1 else f'{verb}s'}{_names(devices, named)}"
            for devices, verb in ((each.joined, "join"), (each.left, "leave"))
            if devices.count
        ]
        said = "; ".join(moves) or "nobody joins or leaves"
        yield f"- **cohort {markdown(each.cohort)}**{over}: {said}; {markdown(each.effect)}\n"


def _times(rings: Sequence[RingReport]) -> Iterator[str]:
    for each in rings:
        where = f"{markdown(each.row.cause)}{f', ring {markdown(each.row.ring)}' if each.row.ring is not None else ''}"
        starts, finishes = (
            f"{_instant(estimate)} ({markdown(estimate.reason)})" for estimate in (each.starts, each.finishes)
        )
        gates = f"<br>Gates: {'; '.join(map(markdown, each.gates))}" if each.gates else ""
        yield f"- **{where}** ({each.state})<br>Starts: {starts}<br>Done: {finishes}{gates}\n"


def _strata(rings: Sequence[RingReport]) -> Iterator[str]:
    for each in rings:
        for part in each.row.strata:
            yield _table_row(
                markdown(each.row.cause),
                markdown(each.row.ring or "–"),
                markdown(part.stratum or "–"),
                f"{part.now:,}",
                f"{part.later:,}",
                f"{part.held:,}",
                f"{part.pinned:,}",
                f"{part.blocked:,}",
                readable_bytes(part.fetch_bytes),
                markdown(", ".join(part.variants) or "–"),
            )


def _changes(plan: Plan | None, named: int) -> Iterator[str]:
    for each in plan.changes if plan is not None else ():
        first = ", ".join(map(code, each.devices[:named]))
        yield _table_row(
            markdown(each.model),
            "–" if each.before is None else code(each.before[:12]),
            "–" if each.after is None else code(each.after[:12]),
            f"{len(each.devices):,}",
            f"{first} …" if len(each.devices) > named else first,
        )


def _waivers(report: PlanReport) -> Iterator[str]:
    for each in report.waivers:
        yield _table_row(
            code(each.name),
            code(each.rule),
            markdown(", ".join(each.scope)),
            markdown(each.owner),
            each.expires.isoformat(),
            "yes" if each.is_used else "no",
            markdown(each.reason),
        )


def _table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
