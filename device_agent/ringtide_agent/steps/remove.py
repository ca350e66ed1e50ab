"""Take a model off the device."""

from collections.abc import Callable

from ringtide_agent.equipment import Ports
from ringtide_agent.events import Faltered, Removed
from ringtide_agent.limits import pause_s
from ringtide_agent.state import Removing
from ringtide_agent.view import View
from ringtide_contract.errors import TransientError
from ringtide_contract.report import MAX_NOTE


def remove(ports: Ports, view: View, state: Removing, follow: Callable[[], None]) -> Removed | Faltered:
    """Remove the model and what only it needed.

    Args:
        ports: The world.
        view: What was decided by.
        state: The removal.
        follow: Lets the service follow the disk; where it does not now, the loop asks again.
    """
    try:
        ports.store.switch(view.model, None)
        follow()
        ports.store.collect_garbage(() if view.orders is None else view.orders.artifacts)
    except TransientError as error:
        at_s = int(ports.clock.monotonic_s())
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    return Removed(reason=state.reason)
