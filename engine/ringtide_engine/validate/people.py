"""What people say about rollouts: words that contradict one another, or that nobody can follow."""

from collections.abc import Iterator

from ringtide_engine.model.desired import DesiredState, Rollout
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.rules import finding


def people(state: DesiredState) -> Iterator[Finding]:
    """Yield freezes that are none, and rollouts whose pause, abort or approvals make no sense."""
    written = state.documents["fleet.yaml"]
    for number, freeze in enumerate(state.fleet.freezes):
        if freeze.until <= freeze.first:
            message = f"the freeze from {freeze.first} ends on {freeze.until}"
            yield finding("RT-FREEZE-001", written.place(f"/freezes/{number}/to"), message)
        if not freeze.is_zone_known:
            message = f"{freeze.zone} is not a known IANA time zone"
            yield finding("RT-FREEZE-002", written.place(f"/freezes/{number}/zone"), message)
    for rollout in state.rollouts.values():
        yield from _rollout(state, rollout)


def _rollout(state: DesiredState, rollout: Rollout) -> Iterator[Finding]:
    document, progress = state.documents[rollout.path], state.progress.get(rollout.name)
    if rollout.paused is not None and rollout.abort is not None:
        message = f"{rollout.name} is paused by {rollout.paused.by} and aborted by {rollout.abort.by}"
        yield finding("RT-ROLLOUT-007", document.place("/paused#"), message)
    if progress is not None and progress.phase == "completed":
        for key, said in (("paused", rollout.paused), ("abort", rollout.abort)):
            if said is not None:
                message = f"{rollout.name} was completed, and nothing is left to stop"
                yield finding("RT-ROLLOUT-009", document.place(f"/{key}#"), message)
    plan = state.ring_plans.get(rollout.ring_plan)
    names = [ring.name for ring in plan.rings] if plan else []
    for number, approval in enumerate(rollout.approvals):
        if plan is not None and approval.ring is not None and approval.ring not in names:
            message = f"{approval.by} approves the ring {approval.ring}; {plan.name} has {', '.join(names)}"
            yield finding("RT-ROLLOUT-008", document.place(f"/approvals/{number}/ring"), message)
