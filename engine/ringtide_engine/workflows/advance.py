"""Advance: judge every rollout that is under way, and record the verdicts in one commit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import format_instant
from ringtide_engine import __version__
from ringtide_engine.judge.budgets import newly_taken, taken
from ringtide_engine.judge.documents import is_evidence_path, is_judge_path, judged_files
from ringtide_engine.judge.tally import SILENCE, tally
from ringtide_engine.judge.verdict import CLOCK_SLACK
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Evidence, Observation, Source, Tally, read_evidence
from ringtide_engine.model.verdict import RolloutView, Verdict
from ringtide_engine.ports import ConflictError, Repository
from ringtide_engine.resolve.state import resolve
from ringtide_engine.workflows.cases import Case, asked_of, cases_of, read_state
from ringtide_engine.workflows.collected import Collected, collectors, read_collected

ATTEMPTS = 5
"""People and other judges move the branch too; after so many times the caller shall try later."""

TOOL = f"ringtide {__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One rollout, judged."""

    case: Case
    """The rollout."""
    evidence: Evidence
    """What the verdict rests on."""
    verdict: Verdict
    """The verdict."""
    files: Mapping[str, bytes]
    """Files that record it."""
    recorded: bool
    """Whether it is news, and so worth a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceResult:
    """What advancing did."""

    commits: tuple[str, ...]
    """Commits with the verdicts, oldest first; none where there was nothing to say."""
    judged: tuple[Judged, ...]
    """Every rollout that was judged, by name."""


def advance(
    fleet: Repository, reports: Repository, *, now: datetime, branch: str = "main", dry_run: bool = False
) -> AdvanceResult:
    """Judge, and commit what is new: judge paths only, never forced.

    Where somebody else moves the branch first, everything is read and judged again.

    Args:
        fleet: The fleet repository.
        reports: The reports repository.
        now: The judge's present; fractions of a second are cut.
        branch: Branch of the desired state.
        dry_run: Judge, and commit nothing.

    Raises:
        InputError: A repository cannot be read, or a rollout under way was judged in the future of this clock.
        TransientError: A repository does not answer, or others were faster too often.
    """
    commits: list[str] = []
    judged: dict[str, Judged] = {}
    for _ in range(ATTEMPTS):
        commit, seen, new = _round(fleet, reports, now.replace(microsecond=0), branch, dry_run=dry_run)
        judged |= {item.verdict.rollout: item for item in seen if item.verdict.rollout not in judged or item in new}
        commits += [commit] if commit else []
        if commit is None or not any(item.verdict.kind == "rollBack" for item in new):
            break  # a quarantine written in this round ends other rollouts of the release in the next
    return AdvanceResult(commits=tuple(commits), judged=tuple(judged[name] for name in sorted(judged)))


def _round(
    fleet: Repository, reports: Repository, now: datetime, branch: str, *, dry_run: bool
) -> tuple[str | None, tuple[Judged, ...], tuple[Judged, ...]]:
    """Return the commit, everything judged, and what of it is new."""
    for _ in range(ATTEMPTS):
        source = fleet.head(branch)
        if source is None:
            raise InputError(f"the fleet repository has no branch {branch}")
        judged = judge(read_state(fleet, source), source, reports, now=now)
        for item in judged:
            _check_clock(item.case.view, now)
        judged = tuple(replace(item, recorded=_is_new(item, fleet, source)) for item in judged)
        new = tuple(item for item in judged if item.recorded)
        if not new or dry_run:
            return None, judged, new
        changes: dict[str, bytes | None] = {}
        for item in new:
            for path, content in item.files.items():
                changes.setdefault(path, content)
        try:
            return fleet.commit(branch, parent=source, changes=changes, message=_message(new), at=now), judged, new
        except ConflictError:
            continue
    raise TransientError(f"the branch {branch} moved {ATTEMPTS} times while rollouts were judged; try again")


def judge(state: DesiredState, source: str, reports: Repository, *, now: datetime) -> tuple[Judged, ...]:
    """Judge every rollout that is under way, and completed ones while they are watched."""
    cases = cases_of(state, now)
    sources = collectors(reports)
    since = min((_since(case.view, now) for case in cases if case.view.progress is not None), default=None)
    if state.fleet.budgets and cases:
        silent = now - SILENCE * state.fleet.max_silence
        since = silent if since is None else min(since, silent)
    collected = read_collected(reports, sources, state, since)
    occupied = _occupied(state, collected.observations, now, sources) if state.fleet.budgets and cases else None
    judged: list[Judged] = []
    for case in cases:
        item = _judged(case, source, collected, now, occupied)
        judged.append(item)
        if occupied is not None:  # what one rollout lets begin takes room from the next
            occupied = Counter(occupied) + Counter(newly_taken(case.view, case.view.progress, item.verdict.progress))
    return tuple(judged)


def _occupied(
    state: DesiredState, observations: Sequence[Observation], now: datetime, sources: Sequence[Source]
) -> Mapping[str, int]:
    """Return the unavailable devices of each group of the fleet's disruption budgets."""
    resolution = resolve(state)
    known = min(now, min((source.through for source in sources), default=now))
    return taken(
        resolution.devices,
        state.fleet.budgets,
        asked_of(state, resolution),
        [item for item in observations if item.ingested_at <= now],
        known=known,
        silence=SILENCE * state.fleet.max_silence,
    )


def _check_clock(view: RolloutView, now: datetime) -> None:
    """Refuse to go on from a future: a ring that opened then would never be soaked, and its devices never silent."""
    progress = view.progress
    if progress is None:
        return
    latest = max((progress.last.at, *(ring.opened_at for ring in progress.rings)))
    if latest > now + CLOCK_SLACK:
        raise InputError(
            f"rollout {view.rollout.name} was judged at {format_instant(latest)}, but this clock says "
            f"{format_instant(now)}: correct the clock; where the earlier one was wrong, replace this rollout by a new one"
        )


def replay(fleet: Repository, commit: str, *, reports: Repository | None = None, now: datetime | None = None) -> None:
    """Check that a commit of the judge is what its evidence and its parent make of one another.

    Args:
        fleet: The fleet repository.
        commit: The commit.
        reports: The reports repository; where it is given, the tallies too are counted again.
        now: The present; where it is given, a verdict from the future is refused.

    Raises:
        TrustError: Another path was changed, the verdict is of the future, or replaying the evidence gives other bytes.
    """
    info = next(iter(fleet.history(commit)), None)
    if info is None or len(info.parents) != 1:
        raise TrustError("JUDGE-REPLAY", f"{commit} does not follow one commit, as a verdict does")
    parent = info.parents[0]
    changed = fleet.changed_paths(parent, commit)
    foreign = [path for path in changed if not is_judge_path(path)]
    if foreign or not changed:
        raise TrustError("JUDGE-REPLAY", f"{commit} changes {', '.join(foreign[:5]) or 'nothing'}: not the judge's")
    try:
        expected = _replayed(fleet, commit, parent, changed, reports, now)
    except InputError as error:
        raise TrustError("JUDGE-REPLAY", f"{commit} cannot be replayed: {error}") from error
    for path in sorted({*changed, *expected}):
        if path not in expected or fleet.file(commit, path) != expected[path]:
            raise TrustError("JUDGE-REPLAY", f"{commit}: replaying the evidence gives another {path}")


def _replayed(
    fleet: Repository,
    commit: str,
    parent: str,
    changed: Sequence[str],
    reports: Repository | None,
    now: datetime | None,
) -> Mapping[str, bytes]:
    state = read_state(fleet, parent)
    expected: dict[str, bytes] = {}
    for path in filter(is_evidence_path, changed):
        evidence, _ = read_evidence(fleet.file(commit, path) or b"")
        cases = {case.view.rollout.name: case for case in cases_of(state, evidence.now)}
        case = cases.get(evidence.rollout)
        if case is None or evidence.source != parent:
            raise InputError(f"{path} was not judged on {parent}")
        if now is not None:
            if evidence.now > now + CLOCK_SLACK:
                said = f"{format_instant(evidence.now)}, but this clock says {format_instant(now)}"
                raise InputError(f"{path} was judged at {said}: correct the clock")
            _check_clock(case.view, now)
        if reports is not None:
            collected = read_collected(reports, evidence.sources, state, _since(case.view, evidence.now))
            if _count(case, collected, evidence.now) != evidence.tallies:
                raise InputError(f"{path}: the reports do not give these tallies")
        for written, content in judged_files(case.view, evidence)[1].items():
            expected.setdefault(written, content)
    return expected


def _judged(
    case: Case,
    source: str,
    collected: Collected,
    now: datetime,
    occupied: Mapping[str, int] | None,
) -> Judged:
    evidence = Evidence(
        rollout=case.view.rollout.name,
        candidate=case.view.rollout.candidate,
        now=now,
        source=source,
        sources=collected.sources,
        tool=TOOL,
        tallies=_count(case, collected, now),
        occupied=occupied,
    )
    verdict, files = judged_files(case.view, evidence)
    return Judged(case=case, evidence=evidence, verdict=verdict, files=files, recorded=False)


def _count(case: Case, collected: Collected, now: datetime) -> tuple[Tally, ...]:
    """Count the reports that matter to one rollout, whatever else was read with them."""
    since = _since(case.view, now)
    recent = [item for item in collected.observations if since <= item.ingested_at <= now]
    through = min((source.through for source in collected.sources), default=None)
    return tally(case.view, case.subjects, recent, now=now, through=through, cloned=collected.forked)


def _since(view: RolloutView, now: datetime) -> datetime:
    """Return from when reports matter: silence before the first opening, or of late where all is done."""
    silence = SILENCE * view.max_silence
    if view.progress is None or not view.progress.rings or view.progress.phase == "completed":
        return now - silence
    return view.progress.rings[0].opened_at - silence


def _is_new(item: Judged, fleet: Repository, source: str) -> bool:
    """Tell whether a verdict is worth a commit: a hold only where its reasons are others than last time."""
    progress = item.case.view.progress
    if item.verdict.kind != "hold" or progress is None:
        return True
    if progress.phase == "completed":
        return False
    if progress.last.kind != "hold":
        return True
    content = fleet.file(source, progress.last.evidence)
    return content is None or _key(content) != item.verdict.key


def _key(content: bytes) -> tuple[tuple[object, object], ...]:
    """Return the kinds and subjects of the reasons in an evidence file."""
    _, result = read_evidence(content)
    reasons = result.get("reasons")
    if not isinstance(reasons, list):
        return ()
    return tuple((reason.get("code"), reason.get("subject")) for reason in reasons if isinstance(reason, dict))


def _message(new: Sequence[Judged]) -> str:
    titles = [_title(item) for item in new]
    body = "\n".join(f"- {item.verdict.rollout}: {reason.text}" for item in new for reason in item.verdict.reasons)
    title = titles[0] if len(titles) == 1 else f"Judge {len(titles)} rollouts"
    named = "" if len(titles) == 1 else "".join(f"{title}\n" for title in titles) + "\n"
    return f"{title}\n\n{named}{body}\n"


def _title(item: Judged) -> str:
    name, progress = item.verdict.rollout, item.verdict.progress
    match item.verdict.kind:
        case "promote" if item.verdict.reasons[0].code == "admitted":
            return f"Let more devices begin ring {progress.rings[-1].name} of rollout {name}"
        case "promote" if progress.phase == "completed":
            return f"Complete rollout {name}"
        case "promote":
            return f"Promote rollout {name} to ring {progress.rings[-1].name}"
        case "hold":
            return f"Hold rollout {name}"
        case "rollBack":
            return f"Roll back rollout {name}"
