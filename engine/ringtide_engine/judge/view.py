"""A rollout as the judge sees it, taken from the desired state of one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.manifest import Manifest
from ringtide_contract.membership import bucket, salt
from ringtide_engine.model.assignment import DeviceClass, Resolution
from ringtide_engine.model.desired import Cohort, DesiredState, Rollout
from ringtide_engine.model.evidence import Subject
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.releases import Release
from ringtide_engine.model.selection import matches
from ringtide_engine.model.steady_state import stable_version
from ringtide_engine.model.verdict import RolloutView

Units = Mapping[str, Sequence[tuple[DeviceId, str]]]
"""Stratum to the devices that a rollout can reach, each with its unit."""


def view_of(state: DesiredState, rollout: Rollout, units: Units) -> RolloutView:
    """Return what the judge must know of a rollout.

    Args:
        state: The desired state.
        rollout: The rollout.
        units: Whom it can reach.
    """
    placement = state.placements[rollout.placement]
    text = salt(state.fleet.name, rollout.name, rollout.candidate)
    candidate = state.releases[placement.model, rollout.candidate]
    return RolloutView(
        rollout=rollout,
        model=placement.model,
        plan=state.ring_plans[rollout.ring_plan],
        progress=state.progress.get(rollout.name),
        salt=text,
        units={
            stratum: tuple(sorted({bucket(text, unit) for _, unit in members}))
            for stratum, members in sorted(units.items())
        },
        max_silence=state.fleet.max_silence,
        ingest_interval=state.fleet.ingest_interval,
        banned=_banned(state, candidate),
        bans=_bans(state, rollout, candidate),
        freezes=state.fleet.freezes,
    )


def subjects_of(
    state: DesiredState, resolution: Resolution, view: RolloutView, units: Units, manifests: Mapping[str, Manifest]
) -> tuple[Subject, ...]:
    """Return the devices that a rollout can reach, as it sees them.

    Args:
        state: The desired state.
        resolution: The same, resolved.
        view: The rollout.
        units: Whom it can reach.
        manifests: Hardware class to the candidate's manifest.
    """
    names = sorted({ring.cohort for ring in view.plan.rings if ring.cohort is not None})
    if view.progress is not None:
        names = sorted({*names, *(ring.cohort for ring in view.progress.rings if ring.cohort is not None)})
    cohorts = {
        class_id: frozenset(name for name in names if name in state.cohorts and _is_in(state.cohorts[name], each))
        for class_id, each in resolution.classes.items()
    }
    digests = {hardware: sha256(manifest.encode()) for hardware, manifest in manifests.items()}
    return tuple(
        Subject(
            device=device,
            stratum=stratum,
            bucket=bucket(view.salt, unit),
            manifest=digests[hardware],
            budget_us=manifests[hardware].budget.p95_latency_us,
            budget_bytes=manifests[hardware].budget.peak_memory_bytes,
            cohorts=cohorts[resolution.class_of[device]],
            held=resolution.devices[device].state == "held",
        )
        for stratum, pairs in sorted(units.items())
        for device, unit in pairs
        if (hardware := resolution.devices[device].hardware_class) in manifests
    )


def _is_in(cohort: Cohort, device_class: DeviceClass) -> bool:
    return matches(cohort.selector, device_class.selectable_labels)


def _banned(state: DesiredState, candidate: Release) -> str | None:
    entry = entry_against(state, candidate.model, candidate.version)
    return None if entry is None else entry.reason


def _bans(state: DesiredState, rollout: Rollout, candidate: Release) -> tuple[Digest, ...] | None:
    """Return the graphs to ban; a ban on what somebody shall keep would leave devices with nothing to run."""
    others = {name: progress for name, progress in state.progress.items() if name != rollout.name}
    without = replace(state, progress=others)
    kept = {
        (placement.model, version)
        for placement in state.placements.values()
        for version in (placement.release, stable_version(without, placement))
        if version is not None
    }
    kept |= {(pin.model, pin.release) for device in state.devices.values() for pin in device.pins}
    if (candidate.model, candidate.version) in kept:
        return None
    releases = (release for key in sorted(kept) if (release := state.releases.get(key)) is not None)
    running = {variant.file.sha256 for release in releases for variant in release.variants}
    return tuple(sorted({variant.file.sha256 for variant in candidate.variants} - running))
