"""What the judge writes: progress of rollouts and the quarantine."""

from dataclasses import replace

from ringtide_contract.ids import parse_instant, parse_name, parse_version
from ringtide_contract.membership import Cut, parse_cut
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.load.cursor import Cursor
from ringtide_engine.model.progress import LastVerdict, OpenedRing, Progress


def progress(at: Cursor) -> Progress:
    """Read the progress of a rollout.

    Raises:
        MisfitError: A value that the model refuses.
    """
    last = at.child("last")
    return Progress(
        rollout=at.read("rollout", parse_name),
        candidate=at.read("candidate", parse_version),
        stable=at.read("stable", parse_version) if at.get("stable") is not None else None,
        phase=at.get("phase"),
        control=_cuts(at.child("control")),
        rings=tuple(
            OpenedRing(
                name=each.read("name", parse_name),
                opened_at=each.read("openedAt", parse_instant),
                cuts=_cuts(each.child("cuts")),
                cohort=each.get("cohort"),
                admitted=None if each.get("admitted") is None else _cuts(each.child("admitted")),
            )
            for each in at.child("rings").items()
        ),
        last=LastVerdict(
            kind=last.get("kind"),
            reasons=tuple(last.get("reasons")),
            at=last.read("at", parse_instant),
            evidence=last.get("evidence"),
        ),
    )


def _cuts(at: Cursor) -> dict[str, Cut]:
    return {stratum: each.parse(parse_cut) for stratum, each in at.fields()}


def quarantine_entry(at: Cursor) -> QuarantineEntry:
    """Read an entry of the quarantine.

    Raises:
        MisfitError: A value that the model refuses.
    """
    entry = at.parse(QuarantineEntry.from_dict)
    return replace(entry, reason=entry.reason.strip())
