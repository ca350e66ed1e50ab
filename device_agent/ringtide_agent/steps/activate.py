"""Switch to a release: one atomic step on the disk, then the service."""

from collections.abc import Callable
from dataclasses import replace

from ringtide_agent.decide import failed
from ringtide_agent.equipment import Ports
from ringtide_agent.events import Activated, Failed, Faltered, Stranded
from ringtide_agent.limits import pause_s
from ringtide_agent.ports import UnloadableError
from ringtide_agent.state import Activating
from ringtide_agent.steps.watch import evidence_of
from ringtide_agent.view import View
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.report import MAX_NOTE, Failure


def activate(
    ports: Ports, view: View, state: Activating, shape: Callable[[], None]
) -> Activated | Failed | Stranded | Faltered:
    """Switch, and let the service follow; the stable release stays loaded beside it.

    Args:
        ports: The world.
        view: What was decided by.
        state: What to activate.
        shape: Makes the service serve what the disk says.
    """
    manifest, release = state.subject.manifest, state.subject.release
    try:
        baseline = evidence_of(ports.service, manifest)
        if view.active_slot != state.slot:
            ports.store.switch(view.model, state.slot)
        _follow(shape, view.model)
    except InputError as error:
        failure = Failure(manifest=manifest, release=release, step="load", note=str(error)[:MAX_NOTE])
        return failed(replace(view, active_slot=state.slot), state.subject, failure)
    except TransientError as error:
        at_s = int(ports.clock.monotonic_s())
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    return Activated(
        subject=state.subject,
        slot=state.slot,
        baseline=baseline,
        at_s=int(ports.clock.monotonic_s()),
        reason=f"{release} answers from slot {state.slot}",
    )


def _follow(shape: Callable[[], None], model: str) -> None:
    """Let the service follow; another model that does not load is none of this one's business."""
    try:
        shape()
    except UnloadableError as error:
        if model in error.models:
            raise InputError(f"{model} {error.models[model]}") from error
