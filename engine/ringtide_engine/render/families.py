"""Families of stable ids: what each is about, and why it is there."""

from collections.abc import Mapping
from types import MappingProxyType

FAMILIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "RT-FILE": (
            "Files",
            "A file that nothing reads is a change that somebody believes in and no device ever sees.",
        ),
        "RT-YAML": (
            "YAML",
            "Only the part of YAML is read that every person and every program reads alike, and that a hostile file "
            "cannot blow up.",
        ),
        "RT-SCHEMA": (
            "Fields",
            "An unknown or mistyped field would be ignored in silence; what was meant by it would not happen.",
        ),
        "RT-REF": (
            "References",
            "A name that leads nowhere would leave devices without what the author wanted them to run.",
        ),
        "RT-DEVICE": (
            "Devices",
            "A device is known by its id and its key. Where two share one, nobody can tell whose report it is.",
        ),
        "RT-COHORT": ("Cohorts", "A selector that matches nothing looks like a release that nobody refuses."),
        "RT-RING": (
            "Ring plans",
            "Rings that grow, with a control beside them, are what keeps a bad release on few devices.",
        ),
        "RT-FREEZE": ("Freezes", "A freeze that never begins protects nobody, and its author relies on it."),
        "RT-BUDGET": (
            "Disruption budgets",
            "A budget that can never be kept stops every rollout, and one that counts nobody protects nobody.",
        ),
        "RT-WINDOW": ("Windows", "A device that does not know its zone would switch in the middle of its working day."),
        "RT-GATE": ("Gates", "A gate that cannot be answered never passes, and stops the rollout for ever."),
        "RT-PLACEMENT": ("Placements", "One model on one device has one release, or nobody knows which one runs."),
        "RT-ROLLOUT": (
            "Rollouts",
            "What the judge has weighed must stay what it was, or its verdict speaks about something else.",
        ),
        "RT-RELEASE": (
            "Releases",
            "A release must fit the hardware that it goes to, and never change after somebody has reviewed it.",
        ),
        "RT-QUARANTINE": ("Quarantine", "What has harmed devices once is not brought to them again by accident."),
        "RT-GUARD": (
            "Deletions",
            "A missing file must never mean `take it from all devices`: a bad merge loses files easily.",
        ),
        "RT-POLICY": (
            "Policy rules",
            "A rule that cannot be evaluated would let everything pass; no answer is never a yes.",
        ),
        "RT-WAIVER": ("Waivers", "An exception ends, has an owner, and covers something; or it is a hole."),
        "RT-REPORT": (
            "Reports",
            "Found by `ringtide ingest`. Verdicts rest on reports, so a report that may be forged is set aside; one "
            "bad branch stops no other device.",
        ),
        "RT-DANGER": (
            "Danger flags",
            "Shown by `ringtide plan`. A danger refuses nothing: it is what a reviewer should not overlook.",
        ),
    }
)
"""Beginning of an id to a heading and the reason; in the order of the page."""


def family(rule: str) -> str:
    """Return the beginning of an id; the id itself where it belongs to no family."""
    start = rule.rpartition("-")[0]
    return start if start in FAMILIES else rule


def why(rule: str) -> str:
    """Return why the rules of an id's family are there; empty where it has none."""
    return FAMILIES.get(family(rule), ("", ""))[1]
