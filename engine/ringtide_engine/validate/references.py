"""Every name that a document uses is the name of another document."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.releases import ReleaseFile
from ringtide_engine.model.rules import finding
from ringtide_engine.validate.members import place_of


def references(state: DesiredState) -> Iterator[Finding]:
    """Yield a finding for every name that leads nowhere."""
    yield from _of_placements(state)
    yield from _of_rollouts(state)
    yield from _of_rings(state)
    yield from _of_releases(state)
    for device in state.devices.values():
        place = place_of(state, device, "/hardwareClass")
        yield from _known("RT-REF-005", place, "hardware class", device.hardware_class, state.hardware)
        for number, pin in enumerate(device.pins):
            place = place_of(state, device, f"/pins/{number}/release")
            yield from _release(state, place, pin.model, pin.release)


def _of_placements(state: DesiredState) -> Iterator[Finding]:
    models = {model for model, _ in state.releases}
    for placement in state.placements.values():
        document = state.documents[placement.path]
        yield from _known("RT-REF-002", document.place("/cohort"), "cohort", placement.cohort, state.cohorts)
        if placement.model not in models:
            yield from _known("RT-REF-008", document.place("/model"), "model", placement.model, models)
        elif placement.release is not None:
            yield from _release(state, document.place("/release"), placement.model, placement.release)


def _of_rollouts(state: DesiredState) -> Iterator[Finding]:
    for rollout in state.rollouts.values():
        document = state.documents[rollout.path]
        yield from _known("RT-REF-003", document.place("/ringPlan"), "ring plan", rollout.ring_plan, state.ring_plans)
        yield from _known("RT-REF-006", document.place("/placement"), "placement", rollout.placement, state.placements)
        placement = state.placements.get(rollout.placement)
        if placement is not None:
            yield from _release(state, document.place("/candidate"), placement.model, rollout.candidate)


def _of_rings(state: DesiredState) -> Iterator[Finding]:
    for plan in state.ring_plans.values():
        for number, ring in enumerate(plan.rings):
            if ring.cohort is not None:
                place = state.documents[plan.path].place(f"/rings/{number}/cohort")
                yield from _known("RT-REF-002", place, "cohort", ring.cohort, state.cohorts)


def _of_releases(state: DesiredState) -> Iterator[Finding]:
    for release in state.releases.values():
        document = state.documents[release.path]
        files: list[tuple[str, ReleaseFile | None]] = [
            ("/golden", release.golden),
            ("/sbom", release.sbom),
            ("/provenance", release.provenance),
            ("/signature", release.signature),
            ("/modelCard", release.model_card),
            ("/driftReference", release.drift_reference),
        ]
        files += [(f"/variants/{number}/file", variant.file) for number, variant in enumerate(release.variants)]
        for pointer, file in files:
            if file is not None:
                place = document.place(f"{pointer}/store")
                yield from _known("RT-REF-007", place, "artifact store", file.store, state.fleet.artifact_stores)
        named = [("budgets", name) for name in release.budgets] + [("measured", name) for name in release.measured]
        for field, name in named:
            place = document.place(f"/{field}/{name}#")
            yield from _known("RT-REF-005", place, "hardware class", name, state.hardware)


def _release(state: DesiredState, place: Place, model: str, version: str) -> Iterator[Finding]:
    versions = {known for name, known in state.releases if name == model}
    yield from _known("RT-REF-004", place, f"release of {model}", version, versions)


def _known(rule: str, place: Place, what: str, name: str, known: Collection[str]) -> Iterator[Finding]:
    if name in known:
        return
    meant = get_close_matches(name, known, n=1, cutoff=0.6)
    fix = f"Did you mean {meant[0]}?" if meant else None
    yield finding(rule, place, f"there is no {what} {name}", fix)
