"""Why: which rule, which evidence and which commits put a device on what it runs, and what it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, format_instant, parse_device_id
from ringtide_contract.membership import EVERYBODY, bucket
from ringtide_contract.report import Report
from ringtide_engine.judge.collected import DeviceRecord, Fork
from ringtide_engine.judge.exposure import is_control, reaches, ring_of
from ringtide_engine.judge.opening import controls, next_ring, open_ring
from ringtide_engine.judge.presence import PRESENCE_PATH, decode_presences
from ringtide_engine.judge.waiting import held_back
from ringtide_engine.model.assignment import ClassAssignment, Resolution
from ringtide_engine.model.desired import DesiredState, Device, Rollout
from ringtide_engine.model.evidence import Source, Subject
from ringtide_engine.model.selection import unit_of
from ringtide_engine.model.verdict import RolloutView
from ringtide_engine.ports import Repository
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.cases import case_of, read_state
from ringtide_engine.workflows.collected import collectors, read_collected

MAX_COMMITS = 300
"""How far back the commit that last changed a file is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReason:
    """What a device shall run of one model, and why."""

    model: str
    """Model."""
    release: str | None
    """Version that the desired state asks for; None: not installed."""
    variant: str | None
    """Its variant."""
    because: tuple[str, ...]
    """The chain of reasons, from the rule to the device."""
    stands: str
    """Where it stands, by the last report."""
    commits: tuple[tuple[str, str], ...]
    """File to the commit that changed it last."""

    def to_dict(self) -> dict[str, Json]:
        """Write it for a document."""
        return {
            "model": self.model,
            "release": self.release,
            "variant": self.variant,
            "because": list(self.because),
            "stands": self.stands,
            "commits": dict(self.commits),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that decides about a device."""

    device: DeviceId
    """The device."""
    state: str
    """`active`, `held` or `retired`."""
    class_id: str | None
    """Its class; None for a retired device."""
    stratum: str | None
    """Its stratum."""
    commit: str
    """Commit of the desired state."""
    models: tuple[ModelReason, ...]
    """By model."""
    record: DeviceRecord | None
    """Where its reports stand; None where it was never heard of."""
    conditions: tuple[str, ...]
    """What is abnormal, in its own words."""
    alert: str | None
    """Why none of its reports is believed; None where they are."""
    connected: bool | None
    """Whether a broker said, when something was collected last, that it is connected; None where nobody said so. A hint
    for people: a silent device is one whose reports do not come."""

    def to_dict(self) -> dict[str, Json]:
        """Write the explanation for a document."""
        record = self.record
        return {
            "device": self.device,
            "state": self.state,
            "class": self.class_id,
            "stratum": self.stratum,
            "commit": self.commit,
            "models": [model.to_dict() for model in self.models],
            "lastReport": None
            if record is None
            else {
                "number": record.number,
                "ingestedAt": format_instant(record.ingested_at),
                "gaps": record.gaps,
                "folded": record.account.folded,
                "missing": record.account.missing,
            },
            "conditions": list(self.conditions),
            "alert": self.alert,
            "connected": self.connected,
        }


def why(fleet: Repository, reports: Repository, device: str, *, now: datetime, branch: str = "main") -> Explanation:
    """Explain a device.

    Args:
        fleet: The fleet repository.
        reports: The reports repository.
        device: Id of the device.
        now: The present, for freezes.
        branch: Branch of the desired state.

    Raises:
        InputError: No such device, or a repository cannot be read.
    """
    head = fleet.head(branch)
    if head is None:
        raise InputError(f"the fleet repository has no branch {branch}")
    state = read_state(fleet, head)
    entry = state.devices.get(parse_device_id(device))
    if entry is None:
        raise InputError(f"there is no device {device}; `ringtide get devices` lists them")
    resolution = resolve(state)
    class_id = resolution.class_of.get(entry.id)
    sources = collectors(reports)
    collected = read_collected(reports, sources, state, None)
    record, alert = collected.records.get(entry.id), _alert(entry.id, collected.forked.get(entry.id))
    last = _last_report(state, reports, entry.id, record)
    assignments = [each for each in resolution.assignments if each.class_id == class_id]
    return Explanation(
        device=entry.id,
        state=entry.state,
        class_id=class_id,
        stratum=resolution.classes[class_id].stratum if class_id else None,
        commit=head,
        models=tuple(_model(state, resolution, each, entry, last, fleet, head, now, alert) for each in assignments),
        record=record,
        conditions=tuple(f"{each.type}: {each.note}" for each in last.conditions) if last else (),
        alert=alert,
        connected=_connected(reports, sources, entry.id),
    )


def _alert(device: DeviceId, fork: Fork | None) -> str | None:
    if fork is None:
        return None
    return (
        f"two devices report with the key of {device}: its histories part at report {fork.number}, as was seen at "
        f"{format_instant(fork.at)}. Neither is believed until the device is enrolled with another key"
    )


def _last_report(
    state: DesiredState, reports: Repository, device: DeviceId, record: DeviceRecord | None
) -> Report | None:
    if record is None:
        return None
    collected = read_collected(reports, collectors(reports), state, record.ingested_at)
    mine = [item for item in collected.observations if item.report.device == device]
    newest = max(mine, key=lambda item: (item.ingested_at, item.report.number), default=None)
    return newest.report if newest else None


def _connected(reports: Repository, sources: Sequence[Source], device: DeviceId) -> bool | None:
    """Return what the collectors' brokers said; connected to one is connected."""
    said: list[bool] = []
    for source in sources:
        content = reports.file(source.commit, PRESENCE_PATH)
        presences = {} if content is None else decode_presences(content)
        if device in presences:
            said.append(presences[device])
    return any(said) if said else None


def _model(
    state: DesiredState,
    resolution: Resolution,
    assignment: ClassAssignment,
    device: Device,
    last: Report | None,
    fleet: Repository,
    head: str,
    now: datetime,
    alert: str | None,
) -> ModelReason:
    pinned = resolution.pinned.get(device.id, {}).get(assignment.model)
    placement = state.placements[assignment.placement]
    paths, chosen = [device.path, placement.path], pinned or assignment.stable
    because = [f"placement {placement.name} places {placement.model} on cohort {placement.cohort}"]
    if pinned is not None:
        because.append(f"the device is pinned to {pinned.release.version}")
    elif assignment.rollout is not None:
        rollout = state.rollouts[assignment.rollout.rollout]
        paths += [rollout.path, f"progress/{rollout.name}.yaml"]
        sentences, exposed = _rollout(state, resolution, rollout, device, now)
        because += sentences
        chosen = assignment.rollout.candidate if exposed else chosen
    for name, progress in sorted(state.progress.items()):
        completed = progress.phase == "completed" and name in state.rollouts
        if completed and state.rollouts[name].placement == placement.name:
            because.append(f"rollout {name} completed and made {progress.stable} the stable release")
            paths.append(f"progress/{name}.yaml")
    if device.state == "held":
        because.append("the device is held: it keeps what it runs and takes nothing new")
    return ModelReason(
        model=assignment.model,
        release=chosen.release.version if chosen else None,
        variant=chosen.variant.name if chosen else None,
        because=tuple(because),
        stands="not known: its reports are not believed" if alert else _stands(last, assignment.model),
        commits=_commits(fleet, head, paths),
    )


def _rollout(
    state: DesiredState, resolution: Resolution, rollout: Rollout, device: Device, now: datetime
) -> tuple[list[str], bool]:
    """Return the sentences about a rollout that is under way, and whether it exposes the device."""
    case = case_of(state, resolution, rollout)
    subject = next((each for each in case.subjects if each.device == device.id), None)
    progress = case.view.progress
    if subject is None:
        return [f"rollout {rollout.name} does not reach the device"], False
    unit = unit_of(device, case.view.plan.unit)
    place = _share(bucket(case.view.salt, unit))
    said = f"rollout {rollout.name} brings {rollout.candidate}; the device's bucket is {place}"
    if progress is None or not progress.rings:
        return [f"{said}; no ring is open yet", *_ahead(case.view, subject, now)], False
    if progress.candidate != rollout.candidate:
        return [f"{said}; its rings opened for {progress.candidate}, so none of them exposes anybody"], False
    cuts = [
        f"{ring.name} opens to cohort {ring.cohort}"
        if ring.cohort is not None
        else f"{ring.name} opens below {_share(ring.cuts.get(subject.stratum, 0))}"
        for ring in progress.rings
    ]
    sentences = [f"{said}; {', '.join(cuts)}"]
    ring = ring_of(progress, subject)
    if ring is not None:
        sentences.append(f"ring {ring} exposes the device")
    else:
        sentences.append(_outside(case.view.plan.rings[-1].name, subject, kept=is_control(progress, subject)))
        sentences += _ahead(case.view, subject, now)
    latest = progress.last
    sentences.append(f"last verdict: {latest.kind} at {format_instant(latest.at)}, evidence {latest.evidence}")
    sentences += [f"- {reason}" for reason in latest.reasons]
    return sentences, ring is not None


def _outside(last: str, subject: Subject, *, kept: bool) -> str:
    if kept:
        return f"the device belongs to the control of {subject.stratum}: it keeps the stable release until ring {last}"
    return "no open ring covers the device: it keeps the stable release and waits for the next ring"


def _ahead(view: RolloutView, subject: Subject, now: datetime) -> list[str]:
    """Return the next ring where it would reach the device, and what people hold it back by."""
    ring = next_ring(view)
    if ring is None or not reaches(open_ring(view, ring, controls(view), now), subject):
        return []
    held = held_back(view, now)
    return [f"ring {ring.name} would reach the device next", *(f"it does not open: {each.text}" for each in held)]


def _stands(last: Report | None, model: str) -> str:
    part = last.models.get(model) if last else None
    if last is None:
        return "never heard of"
    if part is None:
        return f"report {last.number} says nothing about the model"
    running = f"running {part.active.release} ({part.active.variant})" if part.active else "running nothing"
    return f"{part.phase}, {running}: {part.reason}"


def _share(position: int) -> str:
    """Write a bucket or a cut as a share of all buckets, cut to four digits."""
    if position >= EVERYBODY:
        return "1"
    return f"0.{position * 10_000 // EVERYBODY:04}"


def _commits(fleet: Repository, head: str, paths: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the commits that changed each of the files last, as far as the history is searched."""
    found: dict[str, str] = {}
    missing = set(paths)
    for number, info in enumerate(fleet.history(head)):
        if not missing or number >= MAX_COMMITS:
            break
        changed = missing if not info.parents else missing & set(fleet.changed_paths(info.parents[0], info.id))
        for path in changed:
            if info.parents or fleet.file(info.id, path) is not None:
                found[path] = info.id
        missing -= set(changed)
    return tuple((path, found[path]) for path in dict.fromkeys(paths) if path in found)
