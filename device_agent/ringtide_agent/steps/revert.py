"""Go back to the other slot, or to the absence of the model."""

from collections.abc import Callable

from ringtide_agent.equipment import Ports
from ringtide_agent.events import Faltered, FellBack, Returned
from ringtide_agent.limits import pause_s
from ringtide_agent.state import Reverting
from ringtide_agent.view import View
from ringtide_contract.errors import TransientError
from ringtide_contract.report import MAX_NOTE


def revert(ports: Ports, view: View, state: Reverting, follow: Callable[[], None]) -> FellBack | Returned | Faltered:
    """Switch back on the disk; the disk is what counts, the service follows.

    Args:
        ports: The world.
        view: What was decided by.
        state: Where to go back to.
        follow: Lets the service follow the disk; where it does not now, the loop asks again.
    """
    try:
        if view.active_slot != state.to:
            ports.store.switch(view.model, state.to)
    except TransientError as error:
        at_s = int(ports.clock.monotonic_s())
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    follow()
    where = "removed, as before its first install" if state.to is None else f"back to slot {state.to}"
    reason = f"{where}: {state.reason}"[:MAX_NOTE]
    if state.failure is not None:
        return FellBack(failure=state.failure, reason=reason)
    return Returned(
        subject=state.subject, cause=state.cause, until=state.until, generation=state.generation, reason=reason
    )
