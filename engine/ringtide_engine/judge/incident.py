"""The incident that a roll back opens: a Markdown file for the people who come after."""

import re
from functools import cache
from typing import TYPE_CHECKING

from ringtide_contract.ids import format_instant
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.model.evidence import Evidence, Tally
from ringtide_engine.model.verdict import RolloutView, Verdict

if TYPE_CHECKING:
    import jinja2

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|!~&])")
_LINES = re.compile(r"[\s\x00-\x1f\x7f]+")


def incident_text(view: RolloutView, evidence: Evidence, verdict: Verdict, quarantine: QuarantineEntry | None) -> str:
    """Return the incident of a roll back.

    Args:
        view: The rollout.
        evidence: What was observed.
        verdict: The verdict that rolls back.
        quarantine: The entry written with it; None where there is none.
    """
    exposed = [tally for tally in evidence.tallies if tally.arm == "exposed"]
    return _template().render(
        view=view,
        evidence=evidence,
        verdict=verdict,
        quarantine=quarantine,
        rings=verdict.progress.rings,
        exposed=exposed,
        control=[tally for tally in evidence.tallies if tally.arm == "control"],
        total=sum(tally.assigned + tally.held for tally in exposed),
        units=sum(len(buckets) for buckets in view.units.values()),
        suspects=_suspects(exposed),
    )


def _suspects(exposed: list[Tally]) -> list[Tally]:
    """Return the tallies that stand out: hard failures, refusals, silence or failed requests, worst first."""
    marked = [tally for tally in exposed if _badness(tally) > (0, 0, 0)]
    return sorted(marked, key=lambda tally: (tuple(-figure for figure in _badness(tally)), tally.ring, tally.stratum))


def _badness(tally: Tally) -> tuple[int, int, int]:
    size = max(1, tally.assigned + tally.held)
    hurt = tally.hard_failed * 1000 // size
    lost = (tally.refused + tally.went_silent) * 1000 // size
    return hurt, lost, tally.failures * 1000 // max(1, tally.requests)


def plain(text: str) -> str:
    """Neutralise Markdown and HTML: some of these words come from devices."""
    return _MARKUP.sub(r"\\\1", _LINES.sub(" ", text))


@cache
def _template() -> "jinja2.Template":
    import jinja2  # late: most runs write no incident

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ringtide_engine.judge"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  Markdown, not HTML: `plain` escapes both
    )
    environment.filters["plain"] = plain
    environment.filters["instant"] = format_instant
    return environment.get_template("incident.md.j2")
