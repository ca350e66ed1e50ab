"""Fetch the newest published state and judge it; the loop does not wait for that."""

from dataclasses import dataclass
from datetime import datetime

from ringtide_agent.equipment import Settings
from ringtide_agent.ports import PublicationSource, Trust
from ringtide_agent.steps.verify import Believed, Known, verify
from ringtide_contract.acceptance import Floor
from ringtide_contract.errors import TransientError, TrustError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a source showed, and what became of it."""

    commit: str
    """Name of the state."""
    verdict: Believed | TrustError | TransientError | None
    """What is to be believed, why it is not, how the source broke off; None where it is what was accepted last."""


def pull(
    source: PublicationSource,
    trust: Trust,
    settings: Settings,
    *,
    floor: Floor,
    known: Known | None,
    now: datetime,
) -> Pulled:
    """Open a snapshot and apply every rule to it; of the device's disk only the TUF client's folder is written.

    Args:
        source: Where publications come from.
        trust: The TUF client.
        settings: Who this device is.
        floor: The newest publication verified here.
        known: What was accepted last in this run.
        now: The present, not below the clock floor.

    Raises:
        TransientError: The source does not answer.
    """
    with source.open() as snapshot:
        try:
            verdict: Believed | TrustError | TransientError | None = verify(
                trust, settings, snapshot, floor=floor, known=known, now=now
            )
        except (TrustError, TransientError) as error:
            verdict = error
        return Pulled(commit=snapshot.commit, verdict=verdict)
