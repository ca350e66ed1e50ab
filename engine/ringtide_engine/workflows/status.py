"""Status: where every rollout stands, and what it waits for, since when and until when."""

from dataclasses import dataclass
from datetime import datetime

from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import format_instant
from ringtide_engine.judge.exposure import population
from ringtide_engine.model.desired import DesiredState, Rollout
from ringtide_engine.model.evidence import Tally
from ringtide_engine.model.progress import LastVerdict, OpenedRing
from ringtide_engine.model.verdict import GateResult, Verdict
from ringtide_engine.ports import Repository
from ringtide_engine.render.reasons import REASONS
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.advance import Judged, judge
from ringtide_engine.workflows.cases import read_state, waits_for


@dataclass(frozen=True, slots=True, kw_only=True)
class RingStatus:
    """One ring of a rollout."""

    name: str
    """Name."""
    stage: str
    """`passed`, `open`, `closed`, or `stopped` after a roll back."""
    opened_at: datetime | None
    """When it opened."""
    exposed: int
    """Devices that it exposes."""
    reachable: int
    """Of these, devices that can be waited for."""
    confirmed: int
    """Devices that run the candidate after probation."""
    failed: int
    """Devices that took it back or refused it."""
    waiting: tuple[str, ...]
    """The first devices that are neither, and where they stand; `cloned` where two report with one key."""
    gates: tuple[GateResult, ...]
    """Its gates; none before it opens."""

    def to_dict(self) -> dict[str, Json]:
        """Write the ring for a document."""
        return {
            "name": self.name,
            "stage": self.stage,
            "openedAt": None if self.opened_at is None else format_instant(self.opened_at),
            "exposed": self.exposed,
            "reachable": self.reachable,
            "confirmed": self.confirmed,
            "failed": self.failed,
            "waiting": list(self.waiting),
            "gates": [gate.to_dict() for gate in self.gates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """One rollout."""

    name: str
    """Name."""
    placement: str
    """Placement that it changes."""
    candidate: str
    """Version that it brings."""
    phase: str
    """`notStarted`, `rolling`, `completed` or `rolledBack`."""
    rings: tuple[RingStatus, ...]
    """Rings of the plan, in order."""
    next: str | None
    """What `ringtide advance` would do now: promote, hold or rollBack; None where nothing is left to decide."""
    reasons: tuple[str, ...]
    """Why."""
    would_change: tuple[str, ...]
    """What would lead to another verdict: of a hold only."""
    since: datetime | None
    """When the ring that is waited for opened."""
    until: datetime | None
    """Its deadline."""
    last: LastVerdict | None
    """The verdict recorded last."""

    def to_dict(self) -> dict[str, Json]:
        """Write the status for a document."""
        last = self.last
        return {
            "name": self.name,
            "placement": self.placement,
            "candidate": self.candidate,
            "phase": self.phase,
            "rings": [ring.to_dict() for ring in self.rings],
            "next": self.next,
            "reasons": list(self.reasons),
            "wouldChange": list(self.would_change),
            "since": None if self.since is None else format_instant(self.since),
            "until": None if self.until is None else format_instant(self.until),
            "last": None
            if last is None
            else {
                "kind": last.kind,
                "at": format_instant(last.at),
                "reasons": list(last.reasons),
                "evidence": last.evidence,
            },
        }


def status(
    fleet: Repository, reports: Repository, *, now: datetime, name: str | None = None, branch: str = "main"
) -> tuple[RolloutStatus, ...]:
    """Return where rollouts stand, by what was collected up to now.

    Args:
        fleet: The fleet repository.
        reports: The reports repository.
        now: The present.
        name: The rollout asked for; None for all.
        branch: Branch of the desired state.

    Raises:
        InputError: There is no such rollout, or a repository cannot be read.
    """
    head = fleet.head(branch)
    if head is None:
        raise InputError(f"the fleet repository has no branch {branch}")
    state = read_state(fleet, head)
    if name is not None and name not in state.rollouts:
        raise InputError(f"there is no rollout {name}; there are: {', '.join(sorted(state.rollouts)) or 'none'}")
    judged = {item.verdict.rollout: item for item in judge(state, head, reports, now=now.replace(microsecond=0))}
    resolution = resolve(state)
    return tuple(
        _status(state, rollout, judged.get(each), waits_for(state, resolution, rollout))
        for each, rollout in sorted(state.rollouts.items())
        if name in (None, each)
    )


def _status(state: DesiredState, rollout: Rollout, judged: Judged | None, ahead: str | None) -> RolloutStatus:
    progress = state.progress.get(rollout.name)
    opened = {ring.name: ring for ring in progress.rings} if progress else {}
    plan = state.ring_plans.get(rollout.ring_plan)
    names = [*dict.fromkeys([*opened, *(ring.name for ring in (plan.rings if plan else ()))])]
    phase = progress.phase if progress else "notStarted"
    newest = progress.rings[-1].name if progress and progress.rings else None
    verdict = judged.verdict if judged else None
    reasons = tuple(reason.text for reason in verdict.reasons) if verdict else ()
    if ahead is not None:
        reasons = (f"waits for rollout {ahead} of the same placement",)
    done = phase == "completed" and verdict is not None and verdict.kind == "hold"
    return RolloutStatus(
        name=rollout.name,
        placement=rollout.placement,
        candidate=rollout.candidate,
        phase=phase,
        rings=tuple(
            _ring(each, _stage(each, opened.get(each), newest, phase), opened.get(each), judged) for each in names
        ),
        next=None if done or verdict is None else verdict.kind,
        reasons=reasons,
        would_change=_would_change(rollout, verdict) if verdict and verdict.kind == "hold" and not done else (),
        since=verdict.since if verdict and verdict.kind == "hold" else None,
        until=verdict.until if verdict and verdict.kind == "hold" else None,
        last=progress.last if progress else None,
    )


def _would_change(rollout: Rollout, verdict: Verdict) -> tuple[str, ...]:
    """Return for each reason of a hold what ends it; figures and times stand in the reason itself."""
    advice = []
    for reason in verdict.reasons:
        said = REASONS[reason.code].advice
        if reason.code == "paused":
            said = f"Run `ringtide rollout resume {rollout.name}`, and commit what it writes."
        elif reason.code == "approval":
            verb = f"ringtide rollout approve {rollout.name} --ring {reason.subject} --by NAME --role ROLE"
            said = f"Run `{verb}`, and have the change reviewed."
        advice.append(f"{reason.code} ({reason.subject}): {said}")
    return tuple(advice)


def _stage(name: str, opened: OpenedRing | None, newest: str | None, phase: str) -> str:
    if opened is None:
        return "closed"
    if name != newest or phase == "completed":
        return "passed"
    return "stopped" if phase == "rolledBack" else "open"


def _ring(name: str, stage: str, opened: OpenedRing | None, judged: Judged | None) -> RingStatus:
    progress = judged.case.view.progress if judged else None
    tallies: tuple[Tally, ...] = ()
    if judged is not None and progress is not None and opened is not None:
        tallies = population(judged.evidence.tallies, progress, name)
    return RingStatus(
        name=name,
        stage=stage,
        opened_at=opened.opened_at if opened else None,
        exposed=sum(tally.assigned + tally.held for tally in tallies),
        reachable=sum(tally.reachable for tally in tallies),
        confirmed=sum(tally.confirmed for tally in tallies),
        failed=sum(tally.reverted + tally.refused for tally in tallies),
        waiting=(
            *(f"{item.device} {item.phase}" for tally in tallies for item in tally.waiting),
            *(f"{device} cloned" for tally in tallies for device in tally.cloned),
        ),
        gates=tuple(gate for gate in judged.verdict.gates if gate.ring == name) if judged else (),
    )
