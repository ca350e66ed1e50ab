"""The acts of the agent's own release: the switch is a choice on the disk and the end of this process.

Each is the counterpart of the step for a model that is called alike, and may be done twice as well.
"""

from collections.abc import Sequence
from datetime import timedelta

from ringtide_agent import own_release
from ringtide_agent.decide import failed, way_back
from ringtide_agent.equipment import Ports
from ringtide_agent.events import (
    Activated,
    Evidence,
    Failed,
    Faltered,
    FellBack,
    Passed,
    Removed,
    Returned,
    Stranded,
    Unproven,
    Withdrawn,
)
from ringtide_agent.limits import REACH_S, RETRY_AFTER_S, RETURN_TRIES, VERSION_TRIALS, pause_s
from ringtide_agent.ports import Runtimes
from ringtide_agent.state import NOTHING_SEEN, Activating, Probation, Removing, Reverting
from ringtide_agent.steps.watch import Bad, Good, judge, since
from ringtide_agent.view import RESTART, STAY, Next, View
from ringtide_contract.errors import TransientError
from ringtide_contract.manifest import Probation as Terms
from ringtide_contract.report import MAX_NOTE, Counters, Failure


def activate(ports: Ports, runtimes: Runtimes, view: View, state: Activating) -> Activated | Failed | Faltered | Next:
    """Choose the version and end; once it is the one that runs, its probation begins."""
    archive, subject = view.slots[state.slot].manifest.archive, state.subject
    at_s = int(ports.clock.monotonic_s())
    if archive is None or runtimes.running == archive:
        reason = f"version {subject.release} has started"
        return Activated(subject=subject, slot=state.slot, baseline=NOTHING_SEEN, at_s=at_s, reason=reason)
    if runtimes.trials().get(archive, 0) >= VERSION_TRIALS:
        note = f"started for {VERSION_TRIALS} trials, and never reached the fleet, which this version does"
        failure = Failure(manifest=subject.manifest, release=subject.release, step="probation", note=note)
        return own_release.failed(view, subject, failure)
    try:
        runtimes.choose(archive)
    except TransientError as error:
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    return RESTART


def watch(
    ports: Ports, view: View, state: Probation, terms: Terms, *, reached: bool, serving: bool
) -> Passed | Failed | Stranded | Unproven | Withdrawn | Next:
    """Judge a version by what all models did since it started, and by whether the fleet can reach it.

    Args:
        ports: The world.
        view: What was decided by.
        state: The probation.
        terms: What the manifest allows.
        reached: Whether this process has polled a publication and told the fleet so.
        serving: Whether all models are served.
    """
    at_s, subject = int(ports.clock.monotonic_s()), state.subject
    watched_s = at_s - state.entered_s
    verdict = judge(since(evidence(ports.service.counters()), state.baseline), terms, watched_s)
    if isinstance(verdict, Bad):
        failure = Failure(
            manifest=subject.manifest, release=subject.release, step=verdict.step, note=verdict.note[:MAX_NOTE]
        )
        return failed(view, subject, failure)
    late = watched_s >= max(terms.seconds, REACH_S)
    if late and not serving:
        note = f"not every model is served {watched_s} s after its start"
        return failed(
            view, subject, Failure(manifest=subject.manifest, release=subject.release, step="load", note=note)
        )
    back = way_back(view)
    if late and not reached and back is not None:
        return Withdrawn(
            subject=subject,
            to=back.slot,
            cause="retry",
            until=(view.now + timedelta(seconds=RETRY_AFTER_S)).replace(microsecond=0),
            generation=view.generation,
            at_s=at_s,
            reason=f"no poll and report got through in {watched_s} s since its start",
        )
    if isinstance(verdict, Good):
        if reached and serving:
            return Passed(subject=subject, slot=state.slot, at_s=at_s, reason=verdict.note)
        return STAY
    return Unproven(reason=verdict.note) if verdict.overdue and not state.overdue else STAY


def revert(ports: Ports, runtimes: Runtimes, view: View, state: Reverting) -> FellBack | Returned | Faltered | Next:
    """Choose the version to go back to and end; once it runs, the revert is done."""
    content = None if state.to is None or state.tries >= RETURN_TRIES else view.slots.get(state.to)
    archive = None if content is None else content.manifest.archive
    try:
        runtimes.choose(archive, blamed=state.failure is not None)
    except TransientError as error:
        at_s = int(ports.clock.monotonic_s())
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    if runtimes.running != archive:
        return RESTART
    where = f"back to version {runtimes.package} of the package" if content is None else "back to the version before"
    reason = f"{where}: {state.reason}"[:MAX_NOTE]
    if state.failure is not None:
        return FellBack(failure=state.failure, reason=reason)
    return Returned(
        subject=state.subject, cause=state.cause, until=state.until, generation=state.generation, reason=reason
    )


def remove(ports: Ports, runtimes: Runtimes, view: View, state: Removing) -> Removed | Faltered | Next:
    """Go back to the package's version and forget the others."""
    try:
        runtimes.choose(None)
        if runtimes.running is not None:
            return RESTART
        ports.store.switch(view.model, None)
        ports.store.collect_garbage(() if view.orders is None else view.orders.artifacts)
    except TransientError as error:
        at_s = int(ports.clock.monotonic_s())
        return Faltered(retry_at_s=at_s + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    return Removed(reason=state.reason)


def evidence(counters: Sequence[Counters]) -> Evidence:
    """Sum what all models did; the end of a worker counts once, whatever it served."""
    ends: dict[str, int] = {}
    for item in counters:
        ends[item.session] = max(ends.get(item.session, 0), item.crashes)
    return Evidence(
        requests=sum(item.requests for item in counters),
        failures=sum(item.failures for item in counters),
        over_budget=sum(item.over_budget for item in counters),
        compared=sum(item.compared for item in counters),
        agreed=sum(item.agreed for item in counters),
        crashes=sum(ends.values()),
    )
