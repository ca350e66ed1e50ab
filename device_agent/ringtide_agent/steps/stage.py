"""Write a release to the slot that does not serve."""

from ringtide_agent.equipment import Ports
from ringtide_agent.events import Faltered, Staged
from ringtide_agent.limits import pause_s
from ringtide_agent.serving import other_slot
from ringtide_agent.state import Staging
from ringtide_agent.view import View
from ringtide_contract.errors import TransientError
from ringtide_contract.report import MAX_NOTE


def stage(ports: Ports, view: View, state: Staging, manifest: bytes) -> Staged | Faltered:
    """Put the manifest into a slot; a slot that holds it already, the active one among them, is left as it is."""
    at_s = int(ports.clock.monotonic_s())
    for slot, content in view.slots.items():
        if content.digest == state.subject.manifest:
            return Staged(subject=state.subject, slot=slot, at_s=at_s, reason=f"slot {slot} holds it already")
    slot = other_slot(view.active_slot)
    try:
        ports.store.write_slot(view.model, slot, manifest)
    except TransientError as error:
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    return Staged(subject=state.subject, slot=slot, at_s=at_s, reason=f"written to slot {slot}")
