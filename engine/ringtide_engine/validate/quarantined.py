"""Nothing quarantined is brought, placed or pinned: a device must always have a release that it may run."""

from collections.abc import Iterator

from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.rules import finding
from ringtide_engine.model.steady_state import stable_version, unfinished
from ringtide_engine.validate.members import place_of, served


def quarantined(state: DesiredState) -> Iterator[Finding]:
    """Yield every use of a quarantined release."""
    for placement in state.placements.values():
        for rollout in unfinished(state, placement):
            entry = entry_against(state, placement.model, rollout.candidate)
            if entry is not None:
                place = state.documents[rollout.path].place("/candidate")
                yield finding("RT-QUARANTINE-001", place, _said(placement.model, rollout.candidate, entry))
        stable = stable_version(state, placement)
        for version in sorted({each for each in (stable, placement.release) if each is not None}):
            entry = entry_against(state, placement.model, version)
            if entry is not None:
                place = state.documents[placement.path].place("/release")
                yield finding("RT-QUARANTINE-002", place, _said(placement.model, version, entry))
    for device in served(state):
        for number, pin in enumerate(device.pins):
            entry = entry_against(state, pin.model, pin.release)
            if entry is not None:
                place = place_of(state, device, f"/pins/{number}/release")
                yield finding("RT-QUARANTINE-003", place, _said(pin.model, pin.release, entry))


def _said(model: str, version: str, entry: QuarantineEntry) -> str:
    found = "" if (entry.model, entry.release) == (model, version) else f" as {entry.model} {entry.release}"
    return f"{model} {version} is quarantined{found}: {entry.reason.strip()}"
