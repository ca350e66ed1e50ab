"""The decision: promote, hold or roll back. Bad news first, and silence is no news.

1. A quarantined candidate rolls back.
2. Hard failures, in any ring, roll back where they are more than broken devices explain; a completed rollout is still
   watched for them.
3. A failed gate, in any open ring, rolls back; but silence says nothing while evidence is old.
4. Where people abort, roll back.
5. Where the plan no longer fits what was opened, or evidence is old, hold; else, where disruption budgets have room for
   more devices of the newest ring, let these begin.
6. Where people have paused, frozen or not yet approved what comes next, hold.
7. The newest ring is left when a quorum has confirmed, the evidence covers the soak, and every gate passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringtide_contract.ids import format_instant
from ringtide_contract.membership import EVERYBODY, Cut
from ringtide_engine.judge.budgets import admit, admitted, held_by_budgets, more
from ringtide_engine.judge.exposure import population
from ringtide_engine.judge.gates import FEW, evaluate
from ringtide_engine.judge.opening import controls, next_ring, open_ring
from ringtide_engine.judge.waiting import aborted, approved, held_back
from ringtide_engine.judge.words import devices, duration, named
from ringtide_engine.model.binomial import tail
from ringtide_engine.model.desired import Ring
from ringtide_engine.model.evidence import Evidence, Tally
from ringtide_engine.model.progress import LastVerdict, OpenedRing, Progress, VerdictKind
from ringtide_engine.model.verdict import GateResult, Reason, RolloutView, Verdict

HARD_ALPHA = 0.01
"""Chance that broken devices alone ever roll a rollout back; half of it for rings, half for their strata."""

CLOCK_SLACK = timedelta(hours=1)
"""Clocks of the machines that collect and judge may differ by so much; what lies further ahead has not happened."""


def decide(view: RolloutView, evidence: Evidence, path: str) -> Verdict:
    """Decide about one rollout.

    Args:
        view: The rollout, from the desired state of `evidence.source`.
        evidence: What was observed, and the present.
        path: Path that the evidence file is to have.
    """
    gates = _gates(view, evidence.tallies)
    completed = view.progress is not None and view.progress.phase == "completed"
    stale = _stale(view, evidence) if view.progress is not None and view.progress.rings else ()
    failed = () if completed else _failed_gates(gates, silence_counts=not stale)
    harm = _banned(view) or _hard_failures(view, evidence.tallies) or failed
    wished = aborted(view)
    if harm or wished:
        return _verdict(view, evidence, path, "rollBack", (*harm, *wished), gates)
    if completed:
        done = Reason(code="completed", subject=view.rollout.name, text="every ring has passed")
        return _verdict(view, evidence, path, "hold", (done,), gates)
    begun = view.progress if view.progress is not None and view.progress.rings else None
    lacking = _misfit(view) or stale or (_missing(view, begun, evidence, gates) if begun else ())
    cells = None if begun is None or _misfit(view) or stale else more(view, evidence.occupied or {}, evidence.now)
    if begun is not None and cells is not None:
        return _verdict(view, evidence, path, "promote", (admitted(begun, cells),), gates, cells=cells)
    waiting = (*held_back(view, evidence.now), *lacking)
    if waiting:
        return _verdict(view, evidence, path, "hold", (*waiting, *_stuck(view, evidence)), gates)
    if begun is None:
        first = view.plan.rings[0].name
        start = Reason(code="start", subject=first, text=f"the rollout starts: ring {first} opens")
        return _verdict(view, evidence, path, "promote", (start, *approved(view)), gates)
    passed = _passed(view, begun, evidence.tallies, gates)
    return _verdict(view, evidence, path, "promote", (*passed, *approved(view)), gates)


def _verdict(
    view: RolloutView,
    evidence: Evidence,
    path: str,
    kind: VerdictKind,
    reasons: tuple[Reason, ...],
    gates: tuple[GateResult, ...],
    *,
    cells: Mapping[str, Cut] | None = None,
) -> Verdict:
    progress = _next(view, evidence, kind, reasons, path, cells)
    ring = progress.rings[-1] if progress.rings and progress.phase == "rolling" else None
    spec = _spec(view, ring) if ring else None
    return Verdict(
        rollout=view.rollout.name,
        kind=kind,
        reasons=reasons,
        gates=gates,
        since=ring.opened_at if ring else None,
        until=ring.opened_at + spec.deadline if ring and spec else None,
        progress=progress,
    )


def _next(
    view: RolloutView,
    evidence: Evidence,
    kind: VerdictKind,
    reasons: Sequence[Reason],
    path: str,
    cells: Mapping[str, Cut] | None,
) -> Progress:
    now = evidence.now
    last = LastVerdict(kind=kind, reasons=tuple(reason.text for reason in reasons), at=now, evidence=path)
    progress = view.progress or Progress(
        rollout=view.rollout.name,
        candidate=view.rollout.candidate,
        stable=None,
        phase="rolling",
        control=controls(view),
        rings=(),
        last=last,
    )
    progress = replace(progress, last=last)
    match kind:
        case "hold":
            return progress
        case "rollBack":
            return replace(progress, phase="rolledBack", stable=None)
        case "promote" if cells is not None:
            return replace(progress, rings=(*progress.rings[:-1], replace(progress.rings[-1], admitted=cells)))
        case "promote":
            ring = next_ring(view)
            if ring is None:
                return replace(progress, phase="completed", stable=progress.candidate)
            control = controls(view)
            opened = replace(open_ring(view, ring, control, now), admitted={} if view.budgets else None)
            cells = admit(view, (*progress.rings, opened), evidence.occupied or {})
            return replace(progress, control=control, rings=(*progress.rings, replace(opened, admitted=cells)))


def _banned(view: RolloutView) -> tuple[Reason, ...]:
    if view.banned is None:
        return ()
    text = f"the candidate is under quarantine: {view.banned}"
    return (Reason(code="quarantined", subject=view.rollout.candidate, text=text),)


def _hard_failures(view: RolloutView, tallies: Sequence[Tally]) -> tuple[Reason, ...]:
    """Return the hard failures where they are enough.

    One is enough in a ring of few devices. Elsewhere one device may be broken: it takes two at least, and more of them,
    in a ring or in one of its strata, than broken devices explain with a chance of `HARD_ALPHA` over the whole rollout.
    """
    exposed = [tally for tally in tallies if tally.arm == "exposed" and tally.assigned + tally.held]
    enough, reasons = False, []
    for ring in dict.fromkeys(tally.ring for tally in exposed):
        mine = [tally for tally in exposed if tally.ring == ring]
        failed, size = sum(tally.hard_failed for tally in mine), sum(tally.assigned + tally.held for tally in mine)
        if not failed:
            continue
        alpha = HARD_ALPHA / (2 * len(view.plan.rings))
        parts = [(failed, size, alpha)]
        parts += [(tally.hard_failed, tally.assigned + tally.held, alpha / len(mine)) for tally in mine]
        tolerated = float(view.plan.hard_failures)
        enough = (
            enough or size < FEW or any(hurt >= 2 and tail(hurt, of, tolerated) <= most for hurt, of, most in parts)
        )
        harmed = sorted(f"{harm.device} ({harm.what})" for tally in mine for harm in tally.harmed)
        text = f"ring {ring}: the candidate failed hard on {failed} of {devices(size)}: {named(harmed, failed)}"
        reasons.append(Reason(code="hard-failure", subject=ring, text=text))
    return tuple(reasons) if enough else ()


def _gates(view: RolloutView, tallies: Sequence[Tally]) -> tuple[GateResult, ...]:
    progress = view.progress
    if progress is None:
        return ()
    return tuple(
        evaluate(
            gate,
            ring.name,
            population(tallies, progress, ring.name),
            population(tallies, progress, ring.name, "control"),
        )
        for ring in progress.rings
        if (spec := _spec(view, ring))
        for gate in spec.gates
    )


def _failed_gates(gates: Sequence[GateResult], *, silence_counts: bool) -> tuple[Reason, ...]:
    return tuple(
        _gate_reason("gate-failed", gate)
        for gate in gates
        if gate.answer == "fail" and (silence_counts or gate.metric != "wentSilent")
    )


def _gate_reason(code: str, gate: GateResult) -> Reason:
    text = f"ring {gate.ring}: gate {gate.metric}: {gate.answer}: {gate.text}"
    return Reason(code=code, subject=f"{gate.ring}/{gate.metric}", text=text)


def _misfit(view: RolloutView) -> tuple[Reason, ...]:
    """Hold where people changed what the rollout has started from; it is neither restarted nor guessed at."""
    if not any(view.units.values()):
        text = "the rollout reaches no device: its placement's cohort is empty, or every device is pinned"
        return (Reason(code="no-devices", subject=view.rollout.placement, text=text),)
    progress = view.progress
    if progress is None:
        return ()
    if progress.candidate != view.rollout.candidate:
        text = f"the rollout began with {progress.candidate} and now says {view.rollout.candidate}; start a new one"
        return (Reason(code="candidate-changed", subject=view.rollout.candidate, text=text),)
    opened = tuple(ring.name for ring in progress.rings)
    planned = tuple(ring.name for ring in view.plan.rings)
    if planned[: len(opened)] != opened:
        text = f"ring plan {view.plan.name} has the rings {', '.join(planned)}, but {', '.join(opened)} are open"
        return (Reason(code="plan-changed", subject=view.plan.name, text=text),)
    if opened == planned and not _reaches_everybody(progress.rings[-1]):
        text = f"ring plan {view.plan.name} ends with ring {opened[-1]}, which opened for a part; add one after it"
        return (Reason(code="plan-changed", subject=view.plan.name, text=text),)
    return ()


def _reaches_everybody(ring: OpenedRing) -> bool:
    """Tell whether a ring opened as the last one: completion hands the candidate to all, so all must have been asked."""
    return ring.cohort is None and bool(ring.cuts) and all(cut == EVERYBODY for cut in ring.cuts.values())


def _stale(view: RolloutView, evidence: Evidence) -> tuple[Reason, ...]:
    limit = 2 * view.ingest_interval
    if not evidence.sources:
        text = "no report was ever collected: run `ringtide ingest`"
        return (Reason(code="no-reports", subject="collectors", text=text),)
    ahead = f"more than {duration(CLOCK_SLACK)} ahead of the judge's clock: correct the clock, then collect anew"
    return tuple(
        Reason(
            code="evidence-stale",
            subject=source.branch,
            text=f"{source.branch} reaches to {format_instant(source.through)}, {old or ahead}",
        )
        for source in evidence.sources
        if (old := f"longer ago than {duration(limit)}" if evidence.now - source.through > limit else "")
        or source.through > evidence.now + CLOCK_SLACK
    )


def _missing(
    view: RolloutView, progress: Progress, evidence: Evidence, gates: Sequence[GateResult]
) -> tuple[Reason, ...]:
    """Return what the newest ring still lacks."""
    ring = progress.rings[-1]
    spec = _spec(view, ring)
    if spec is None:
        return _misfit(view)
    tallies = population(evidence.tallies, progress, ring.name)
    reachable = sum(tally.reachable for tally in tallies)
    confirmed = sum(item.devices for tally in tallies for item in tally.confirmations)
    if not reachable:
        silent = sum(tally.unreachable for tally in tallies)
        text = f"ring {ring.name}: no reachable device ({silent} unreachable): nothing is shown"
        return (Reason(code="nobody", subject=ring.name, text=text),)
    needed = max(1, -int(-spec.quorum * reachable // 1))
    reasons: list[Reason] = []
    if confirmed < needed:
        waiting = sorted(f"{item.device} {_standing(item.phase)}" for tally in tallies for item in tally.waiting)
        undecided = max(len(waiting), reachable - sum(tally.decided for tally in tallies))
        text = f"ring {ring.name}: {confirmed} of {reachable} reachable devices confirmed, {needed} needed"
        text = f"{text}: {named(waiting, undecided)}" if waiting else text
        reasons.append(Reason(code="quorum", subject=ring.name, text=text))
    else:
        ready = _quorum_at(tallies, needed, ring.opened_at) + spec.soak
        through = evidence.through
        if through is None or through < ready:
            text = f"ring {ring.name}: soak of {duration(spec.soak)} until {format_instant(ready)}"
            reasons.append(Reason(code="soak", subject=ring.name, text=text))
    reasons += [
        _gate_reason("insufficient-evidence", gate)
        for gate in gates
        if gate.ring == ring.name and gate.answer != "pass"
    ]
    if reasons or next_ring(view) is None:  # completion asks everybody, and so waits for all who have no room yet
        reasons += held_by_budgets(view, evidence.occupied or {})
    return tuple(reasons)


def _standing(phase: str) -> str:
    return f"in {phase}" if phase == "probation" else phase


def _quorum_at(tallies: Sequence[Tally], needed: int, opened_at: datetime) -> datetime:
    """Return when the last device of the quorum was heard to be confirmed, and not before the ring opened."""
    seen = 0
    for item in sorted((item for tally in tallies for item in tally.confirmations), key=lambda item: item.at):
        seen += item.devices
        if seen >= needed:
            return max(item.at, opened_at)
    raise AssertionError("fewer confirmations than the quorum needs")


def _passed(
    view: RolloutView, progress: Progress, tallies: Sequence[Tally], gates: Sequence[GateResult]
) -> tuple[Reason, ...]:
    name = progress.rings[-1].name
    mine = population(tallies, progress, name)
    confirmed = sum(item.devices for tally in mine for item in tally.confirmations)
    spec, following = _spec(view, progress.rings[-1]), next_ring(view)
    step = f"ring {following.name} opens" if following else "the rollout is complete"
    soak = duration(spec.soak) if spec else duration(timedelta(0))
    reachable = sum(tally.reachable for tally in mine)
    text = f"ring {name}: {confirmed} of {reachable} reachable devices confirmed through a soak of {soak}; {step}"
    return (
        Reason(code="passed", subject=name, text=text),
        *(_gate_reason("gate-passed", gate) for gate in gates if gate.ring == name),
    )


def _stuck(view: RolloutView, evidence: Evidence) -> tuple[Reason, ...]:
    if view.progress is None or not view.progress.rings:
        return ()
    ring = view.progress.rings[-1]
    spec = _spec(view, ring)
    if spec is None or evidence.now < ring.opened_at + spec.deadline:
        return ()
    since, limit = format_instant(ring.opened_at + spec.deadline), duration(spec.deadline)
    text = f"ring {ring.name} is stuck since {since}: its deadline of {limit} has passed, and that is no pass"
    return (Reason(code="stuck", subject=ring.name, text=text),)


def _spec(view: RolloutView, ring: OpenedRing) -> Ring | None:
    return next((spec for spec in view.plan.rings if spec.name == ring.name), None)
