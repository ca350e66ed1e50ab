"""Every danger flag of a plan: one table, so that ids stay unique and the documentation complete.

A danger is no finding: it refuses nothing. It is what a reviewer should not overlook.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ringtide_engine.model.finding import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDanger:
    """One kind of danger flag."""

    id: str
    """Stable id; never given to another meaning."""
    title: str
    """What is dangerous, one sentence."""
    advice: str
    """What a reviewer should do, one sentence in the imperative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Danger:
    """A danger flag raised by one change."""

    id: str
    """Id of the table."""
    title: str
    """Its title."""
    message: str
    """What exactly, with the numbers."""
    place: Place
    """Where; the path of a removed file as it was."""
    advice: str
    """What a reviewer should do."""


def danger(id_: str, place: Place, message: str) -> Danger:
    """Raise a flag of this table.

    Args:
        id_: Its id.
        place: Where.
        message: What exactly, with the numbers.
    """
    known = DANGERS[id_]
    return Danger(id=id_, title=known.title, message=message, place=place, advice=known.advice)


def _table(*rows: tuple[str, str, str]) -> Mapping[str, KnownDanger]:
    return MappingProxyType({id_: KnownDanger(id=id_, title=title, advice=advice) for id_, title, advice in rows})


DANGERS = _table(
    (
        "RT-DANGER-001",
        "The trust root or the policy of trust changes.",
        "Compare the fingerprints with the key holders over another channel, and merge it alone.",
    ),
    (
        "RT-DANGER-002",
        "The change weakens the policy that judges it.",
        "Merge the policy change first, on its own merits; a waiver, with the word of those who own the rule.",
    ),
    (
        "RT-DANGER-003",
        "A release goes to devices without rings: no canary, no gate.",
        "Restore `release`, and bring the new one by a rollout.",
    ),
    (
        "RT-DANGER-004",
        "A ring plan skips a ring, or reaches more devices sooner.",
        "Restore the rings, their order and their shares, or say in the change why fewer steps are enough.",
    ),
    (
        "RT-DANGER-005",
        "A ring plan leaves less time to see harm.",
        "Restore soak, deadline and spread, or say in the change why less is enough.",
    ),
    (
        "RT-DANGER-006",
        "A ring plan asks for less evidence.",
        "Restore the gates, their limits and the quorum, or say in the change why less is enough.",
    ),
    (
        "RT-DANGER-007",
        "A ring plan keeps a smaller control to compare with.",
        "Restore `control`; without it a release is compared with nothing.",
    ),
    (
        "RT-DANGER-008",
        "A cohort chooses no device.",
        "Mend the selector, or label the devices.",
    ),
    (
        "RT-DANGER-009",
        "A whole folder, or a large part of one, is removed.",
        "Make sure that each of the files was meant to go.",
    ),
    (
        "RT-DANGER-010",
        "The inputs or outputs of a model change.",
        "Make sure that every caller on these devices is ready for the new signature.",
    ),
    (
        "RT-DANGER-011",
        "A release needs a newer opset or onnxruntime than devices have.",
        "Add a variant for them, renew their runtime first, or take them out of the cohort.",
    ),
    (
        "RT-DANGER-012",
        "The artifacts of a release do not fit beside the release that devices run on their disk.",
        "Shrink the release, or raise the disk of the hardware class if there is more.",
    ),
    (
        "RT-DANGER-013",
        "The windows of a ring do not open within 14 days.",
        "Mend the days or hours of the window.",
    ),
    (
        "RT-DANGER-014",
        "Two rollouts reach the same devices at once.",
        "Let one finish first, or a fault of one is blamed on the other.",
    ),
    (
        "RT-DANGER-015",
        "The change touches a quarantined release.",
        "Bring, place or pin another release.",
    ),
    (
        "RT-DANGER-016",
        "The release that a roll back returns to is missing or banned.",
        "Keep the release that devices run until the rollout has completed.",
    ),
    (
        "RT-DANGER-017",
        "Devices go back to an older release.",
        "Make sure that going back is meant, and what the newer release changed on devices.",
    ),
    (
        "RT-DANGER-018",
        "A release has no golden set although the one before it had.",
        "Add a golden set; without it a device notices wrong answers only by its callers.",
    ),
    (
        "RT-DANGER-019",
        "A budget is raised.",
        "Make sure that the devices can bear a slower or larger model.",
    ),
    (
        "RT-DANGER-020",
        "A release needs more memory, or another execution provider, than devices have.",
        "Add a variant for them, or take them out of the cohort.",
    ),
    (
        "RT-DANGER-021",
        "Devices lose a model that they run.",
        "Make sure that nobody on these devices calls the model any more.",
    ),
)
"""Danger id to danger."""
