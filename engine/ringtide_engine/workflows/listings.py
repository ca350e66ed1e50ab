"""Listings: devices, rollouts and releases, as rows of plain values."""

from datetime import datetime

from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, format_instant
from ringtide_contract.report import Report
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.steady_state import stable_version
from ringtide_engine.ports import Repository
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.cases import read_state
from ringtide_engine.workflows.collected import collectors, read_collected

Row = dict[str, Json]


def read_head(fleet: Repository, branch: str = "main") -> DesiredState:
    """Load the newest desired state.

    Raises:
        InputError: The branch does not exist, or has errors.
    """
    head = fleet.head(branch)
    if head is None:
        raise InputError(f"the fleet repository has no branch {branch}")
    return read_state(fleet, head)


def list_devices(state: DesiredState, reports: Repository | None) -> tuple[Row, ...]:
    """Return the devices; where the reports are given, with what each runs and when it was heard of last.

    What a device runs is what it said within the fleet's longest silence; of an older word nothing is claimed.
    """
    resolution = resolve(state)
    sources = collectors(reports) if reports else ()
    since = max((source.through for source in sources), default=None)
    collected = read_collected(reports, sources, state, since - state.fleet.max_silence) if reports and since else None
    last: dict[DeviceId, Report] = {}
    for observation in collected.observations if collected else ():
        known = last.get(observation.report.device)
        if known is None or known.number < observation.report.number:
            last[observation.report.device] = observation.report

    def heard(device: DeviceId) -> str | None:
        record = collected.records.get(device) if collected else None
        return None if record is None else format_instant(record.ingested_at)

    def alert(device: DeviceId) -> str | None:
        fork = collected.forked.get(device) if collected else None
        return None if fork is None else f"cloned: two histories part at report {fork.number}"

    return tuple(
        {
            "id": device.id,
            "hardwareClass": device.hardware_class,
            "state": device.state,
            "class": resolution.class_of.get(device.id),
            "pins": [f"{pin.model} {pin.release}" for pin in device.pins],
            "runs": _running(last.get(device.id)),
            "agent": None if (said := last.get(device.id)) is None else said.agent,
            "onnxruntime": None if said is None else said.onnxruntime,
            "lastReport": heard(device.id),
            "alert": alert(device.id),
        }
        for _, device in sorted(state.devices.items())
    )


def _running(report: Report | None) -> list[Json]:
    if report is None:
        return []
    return [
        f"{model} {part.active.release} {part.phase}" for model, part in sorted(report.models.items()) if part.active
    ]


def list_rollouts(state: DesiredState) -> tuple[Row, ...]:
    """Return the rollouts with their last verdict."""
    rows: list[Row] = []
    for name, rollout in sorted(state.rollouts.items()):
        progress = state.progress.get(name)
        ring = progress.rings[-1].name if progress and progress.rings else None
        last: datetime | None = progress.last.at if progress else None
        rows.append(
            {
                "name": name,
                "placement": rollout.placement,
                "candidate": rollout.candidate,
                "phase": progress.phase if progress else "notStarted",
                "ring": ring,
                "lastVerdict": progress.last.kind if progress else None,
                "at": format_instant(last) if last else None,
            }
        )
    return tuple(rows)


def list_releases(state: DesiredState) -> tuple[Row, ...]:
    """Return the releases, where each is the steady state, and which are under quarantine."""
    steady: dict[tuple[str, str], list[str]] = {}
    for name, placement in sorted(state.placements.items()):
        version = stable_version(state, placement)
        if version is not None:
            steady.setdefault((placement.model, version), []).append(name)
    banned = {(entry.model, entry.release) for entry in state.quarantine if entry.subject == "release"}
    return tuple(
        {
            "model": model,
            "version": version,
            "variants": [variant.name for variant in release.variants],
            "licence": release.licence,
            "stableIn": list(steady.get((model, version), [])),
            "quarantined": (model, version) in banned,
        }
        for (model, version), release in sorted(state.releases.items())
    )
