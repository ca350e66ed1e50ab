"""Ring plans: exposure grows, ends with everybody, and gates can mean something."""

from collections.abc import Iterator

from ringtide_engine.model.desired import DesiredState, Gate, RingPlan
from ringtide_engine.model.finding import Document, Finding
from ringtide_engine.model.proving import why_unprovable
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.words import percent

_SENSE = {
    "updateSuccess": "atLeast",
    "inferenceSuccess": "atLeast",
    "agreementWithStable": "atLeast",
    "p95Latency": "atMost",
    "peakMemory": "atMost",
    "drift": "atMost",
    "wentSilent": "atMost",
}


def ring_plans(state: DesiredState) -> Iterator[Finding]:
    """Yield what is wrong with the ring plans, used or not."""
    for plan in state.ring_plans.values():
        document = state.documents[plan.path]
        yield from _shape(plan, document)
        yield from _shares(plan, document)
        for number, ring in enumerate(plan.rings):
            for position, gate in enumerate(ring.gates):
                pointer = f"/rings/{number}/gates/{position}"
                yield from _gate(plan, gate, document, pointer, last=number == len(plan.rings) - 1)


def _shape(plan: RingPlan, document: Document) -> Iterator[Finding]:
    names: set[str] = set()
    for number, ring in enumerate(plan.rings):
        pointer = f"/rings/{number}"
        if ring.name in names:
            yield finding("RT-RING-007", document.place(f"{pointer}/name"), f"the ring {ring.name} stands twice")
        names.add(ring.name)
        if (ring.share is None) == (ring.cohort is None):
            has = "neither a share nor a cohort" if ring.share is None else "both a share and a cohort"
            yield finding("RT-RING-001", document.place(pointer), f"the ring {ring.name} has {has}")
        need = ring.approval
        different = len({name.casefold() for name in need.approvers}) if need is not None else 0
        if need is not None and 0 < different < need.least:
            message = f"{ring.name} opens after {need.least} approvals, and `from` has {different} who differ"
            yield finding("RT-RING-008", document.place(f"{pointer}/approval"), message)


def _shares(plan: RingPlan, document: Document) -> Iterator[Finding]:
    reached = None
    for number, ring in enumerate(plan.rings):
        place = document.place(f"/rings/{number}/share")
        last = number == len(plan.rings) - 1
        if last and ring.share != 1 and (ring.share is None) != (ring.cohort is None):
            has = f"the cohort {ring.cohort}" if ring.share is None else percent(ring.share)
            place = document.place(f"/rings/{number}/{'cohort' if ring.share is None else 'share'}")
            yield finding("RT-RING-002", place, f"the last ring, {ring.name}, reaches {has} only")
        if ring.share is None:
            continue
        if reached is not None and ring.share <= reached:
            message = f"share must grow from ring to ring (got {percent(ring.share)} after {percent(reached)})"
            yield finding("RT-RING-003", place, message)
        if not last and ring.share + plan.control > 1:
            message = f"{percent(ring.share)} and a control of {percent(plan.control)} exceed 100%"
            yield finding("RT-RING-005", place, message)
        reached = max(reached or ring.share, ring.share)


def _gate(plan: RingPlan, gate: Gate, document: Document, pointer: str, *, last: bool) -> Iterator[Finding]:
    place = document.place(f"{pointer}/compare")
    if gate.compare == "noWorseThanControl":
        if last:
            message = f"{gate.metric} is compared with the control, which the last ring ends"
            yield finding("RT-RING-004", place, message)
        elif not plan.control:
            yield finding("RT-GATE-003", place, f"{gate.metric} is compared with a control of 0%")
    elif gate.compare != _SENSE[gate.metric]:
        message = f"{gate.metric} {gate.compare} {percent(gate.limit)} would pass the worst"
        yield finding("RT-GATE-002", place, message, f"Write `compare: {_SENSE[gate.metric]}`.")
    unprovable = why_unprovable(gate) if gate.assurance == "proven" else None
    if unprovable is not None:
        yield finding("RT-GATE-004", document.place(f"{pointer}/assurance"), f"{gate.metric}: {unprovable}")
