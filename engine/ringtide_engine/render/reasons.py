"""Reasons of verdicts: what each code says, and what a person can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReason:
    """One kind of reason."""

    verdict: str
    """Verdict that it leads to."""
    title: str
    """What it says, one sentence."""
    advice: str
    """What a person can do, one sentence in the imperative."""


def _table(*rows: tuple[str, str, str, str]) -> Mapping[str, KnownReason]:
    return MappingProxyType(
        {code: KnownReason(verdict=verdict, title=title, advice=advice) for code, verdict, title, advice in rows}
    )


REASONS = _table(
    ("quarantined", "roll back", "The candidate is under quarantine.", "Bring a release that is not."),
    (
        "hard-failure",
        "roll back",
        "Devices could not load the candidate, answered its golden set wrongly, or crashed with it.",
        "Read the incident that the roll back wrote, and bring a mended release.",
    ),
    (
        "gate-failed",
        "roll back",
        "The evidence says that a gate does not hold.",
        "Read the incident that the roll back wrote, and bring a mended release.",
    ),
    (
        "aborted",
        "roll back",
        "People have aborted the rollout; nothing is shown against its release.",
        "To bring the release again, start a rollout with a name of its own.",
    ),
    ("paused", "hold", "People have paused the rollout.", "Run `ringtide rollout resume`, and commit what it writes."),
    ("frozen", "hold", "A freeze of `fleet.yaml` covers the present.", "Wait until it ends, or shorten it."),
    (
        "approval",
        "hold",
        "The next ring asks for approvals that are missing.",
        "Run `ringtide rollout approve`, and have the change reviewed.",
    ),
    ("no-devices", "hold", "The placement reaches no device.", "Mend its cohort, or remove the rollout."),
    (
        "candidate-changed",
        "hold",
        "The rollout names another release than the one whose rings are open.",
        "Restore the candidate, and bring the other release by a rollout of its own.",
    ),
    (
        "plan-changed",
        "hold",
        "The ring plan no longer fits the rings that are open.",
        "Restore the plan until the rollout has finished.",
    ),
    (
        "no-reports",
        "hold",
        "No collector has recorded reports.",
        "Run `ringtide ingest`, and see that devices may push to the reports repository.",
    ),
    (
        "evidence-stale",
        "hold",
        "A collector has recorded nothing for too long, or its clock is wrong.",
        "Run `ringtide ingest`, and see to its schedule and its clock.",
    ),
    (
        "nobody",
        "hold",
        "No device of the ring, nor of any ring before it, can be reached.",
        "Bring devices back; or mend the plan or the cohort.",
    ),
    ("quorum", "hold", "Too few of the ring's devices have confirmed the candidate.", "Wait; or see why they do not."),
    ("soak", "hold", "The ring's soak has not passed.", "Wait."),
    (
        "insufficient-evidence",
        "hold",
        "There are too few devices or requests to answer a gate.",
        "Wait; or lower what the gate asks for in a plan for the next rollout.",
    ),
    (
        "admitted",
        "promote",
        "Groups of disruption budgets have room again, and more devices of the open ring begin.",
        "Nothing.",
    ),
    (
        "budget",
        "hold",
        "Devices that the ring reaches wait for room in disruption budgets.",
        "Bring back, repair or retire the devices of these groups that are silent or not confirmed, or loosen the budget.",
    ),
    (
        "stuck",
        "hold",
        "The deadline of the ring has passed; a deadline is never a pass.",
        "See what the other reasons wait for, or run `ringtide rollout abort`.",
    ),
    ("completed", "hold", "Every ring has passed; the candidate is stable.", "Set it in the placement when you like."),
    ("start", "promote", "The rollout starts: its first ring opens.", "Nothing; watch it."),
    ("passed", "promote", "The ring has confirmed, soaked and passed its gates.", "Nothing; watch the next ring."),
    ("approved", "promote", "People have let the ring open.", "Nothing."),
    ("gate-passed", "promote", "The evidence says that a gate holds.", "Nothing."),
)
"""Code to reason."""
