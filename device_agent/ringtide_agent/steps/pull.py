"""Open the newest published state."""

from contextlib import ExitStack

from ringtide_agent.ports import PublicationSource, Snapshot
from ringtide_agent.publication_state import Missed, Opened
from ringtide_contract.errors import TransientError


def pull(source: PublicationSource, stack: ExitStack, *, retry_s: int) -> tuple[Opened, Snapshot] | Missed:
    """Open a snapshot for as long as `stack` is open.

    Args:
        source: Where publications come from.
        stack: Closes the snapshot.
        retry_s: Monotonic second of the next poll where this one gets no answer.
    """
    try:
        snapshot = stack.enter_context(source.open())
    except TransientError as error:
        return Missed(reason=str(error), next_s=retry_s)
    return Opened(commit=snapshot.commit), snapshot
