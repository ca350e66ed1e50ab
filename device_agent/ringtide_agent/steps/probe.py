"""Try a staged release before anything depends on it."""

from ringtide_agent.equipment import Ports
from ringtide_agent.events import Faltered, Probed, Rejected
from ringtide_agent.limits import pause_s
from ringtide_agent.serving import served_release
from ringtide_agent.state import Probing
from ringtide_agent.view import View
from ringtide_contract.errors import TransientError
from ringtide_contract.report import MAX_NOTE, Failure


def probe(ports: Ports, view: View, state: Probing) -> Probed | Rejected | Faltered:
    """Run the trial; what it finds wrong is remembered, what kept it from running is not."""
    content = view.slots.get(state.slot)
    release = None
    if content is not None and content.digest == state.subject.manifest:
        release = served_release(ports.store, content)
    try:
        result = None if release is None else ports.prober.probe(release)
        trouble = f"slot {state.slot} does not hold the release any more"
    except TransientError as error:
        result, trouble = None, str(error)[:MAX_NOTE]
    if result is None:
        return Faltered(retry_at_s=int(ports.clock.monotonic_s()) + pause_s(state.tries), reason=trouble)
    note = result.note[:MAX_NOTE]
    if result.failure is None:
        at_s = int(ports.clock.monotonic_s())
        return Probed(subject=state.subject, slot=state.slot, at_s=at_s, reason=note)
    failure = Failure(manifest=state.subject.manifest, release=state.subject.release, step=result.failure, note=note)
    return Rejected(subject=state.subject, cause="failed", generation=view.generation, failure=failure, reason=note)
