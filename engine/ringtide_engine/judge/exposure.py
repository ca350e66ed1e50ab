"""Who a rollout reaches: the first open ring whose cut lies above the device's bucket."""

from collections.abc import Sequence

from ringtide_contract.membership import EVERYBODY, NOBODY
from ringtide_engine.model.evidence import Arm, Subject, Tally
from ringtide_engine.model.progress import OpenedRing, Progress


def ring_of(progress: Progress, subject: Subject) -> str | None:
    """Return the ring that exposes `subject`, or None where no open ring does.

    A stratum that came after a ring by share had opened is not in it; one that came after a ring by cohort is.
    """
    return next((ring.name for ring in progress.rings if reaches(ring, subject)), None)


def reaches(ring: OpenedRing, subject: Subject) -> bool:
    """Tell whether an open ring exposes `subject`, by itself or after another."""
    inside = ring.cohort is None or ring.cohort in subject.cohorts
    unweighed = NOBODY if ring.cohort is None else EVERYBODY
    return inside and subject.bucket < ring.cuts.get(subject.stratum, unweighed)


def is_control(progress: Progress, subject: Subject) -> bool:
    """Tell whether `subject` is kept on the stable release to compare with."""
    border = progress.control.get(subject.stratum, EVERYBODY)
    return subject.bucket >= border and ring_of(progress, subject) is None


def population(tallies: Sequence[Tally], progress: Progress, ring: str, arm: Arm = "exposed") -> tuple[Tally, ...]:
    """Return the tallies that a ring is judged by: its own devices, or all before it where it adds none.

    A ring adds none where its share rounds to the devices already exposed, or where all its devices are held. It is then judged by those, over a soak of
    its own; a rollout that exposes nobody has no tallies at all, and nothing passes.
    """
    own = tuple(tally for tally in tallies if (tally.ring, tally.arm) == (ring, arm))
    if arm == "control" or any(tally.assigned for tally in own):
        return own
    names = [opened.name for opened in progress.rings]
    before = names[: names.index(ring)]
    return tuple(tally for tally in tallies if tally.arm == "exposed" and tally.ring in before)
