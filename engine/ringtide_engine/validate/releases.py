"""Releases: they run on the hardware they go to, within a budget, and never change."""

from collections.abc import Iterator, Mapping, Sequence

from ringtide_engine.model.desired import DesiredState, Device
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.fitness import unmet
from ringtide_engine.model.releases import Release
from ringtide_engine.model.rules import finding
from ringtide_engine.model.steady_state import stable_version, unfinished
from ringtide_engine.validate.members import place_of, served


def releases(state: DesiredState, members: Mapping[str, Sequence[Device]]) -> Iterator[Finding]:
    """Yield releases that cannot run where they are sent, and variants of one name."""
    for release in state.releases.values():
        names: set[str] = set()
        for number, variant in enumerate(release.variants):
            if variant.name in names:
                place = state.documents[release.path].place(f"/variants/{number}/name")
                yield finding("RT-RELEASE-003", place, f"the variant {variant.name} stands twice")
            names.add(variant.name)
    budgets: set[tuple[str, str]] = set()
    for (model, version, hardware_class), place in sorted(_uses(state, members).items()):
        release_ = state.releases.get((model, version))
        hardware = state.hardware.get(hardware_class)
        if release_ is None or hardware is None:
            continue
        reasons = [f"{variant.name} {'; '.join(unmet(variant, hardware))}" for variant in release_.variants]
        if all(unmet(variant, hardware) for variant in release_.variants):
            message = f"{model} {version} does not run on {hardware_class}: {'. '.join(reasons)}"
            yield finding("RT-RELEASE-001", place, message)
        if hardware_class not in release_.budgets and (release_.path, hardware_class) not in budgets:
            budgets.add((release_.path, hardware_class))
            at = state.documents[release_.path].place("/budgets")
            yield finding("RT-RELEASE-002", at, f"{model} {version} goes to {hardware_class} without a budget")


def changed_releases(state: DesiredState, base: DesiredState) -> Iterator[Finding]:
    """Yield releases whose artifacts differ from those merged under the same version."""
    for key in sorted(state.releases.keys() & base.releases.keys()):
        if _artifacts(state.releases[key]) != _artifacts(base.releases[key]):
            release = state.releases[key]
            message = f"{release.model} {release.version} has other artifacts than it was merged with"
            yield finding("RT-RELEASE-004", state.documents[release.path].place("/version"), message)


def _uses(state: DesiredState, members: Mapping[str, Sequence[Device]]) -> Mapping[tuple[str, str, str], Place]:
    """Return model, version and hardware class of everything that may be sent, and the place that sends it."""
    uses: dict[tuple[str, str, str], Place] = {}
    for placement in state.placements.values():
        document = state.documents[placement.path]
        versions = [
            (rollout.candidate, state.documents[rollout.path].place("/candidate"))
            for rollout in unfinished(state, placement)
        ]
        stable = stable_version(state, placement)
        versions += [(stable, document.place("/release"))] if stable is not None else []
        for hardware_class in sorted({device.hardware_class for device in members.get(placement.cohort, ())}):
            for version, place in versions:
                uses.setdefault((placement.model, version, hardware_class), place)
    for device in served(state):
        for number, pin in enumerate(device.pins):
            use = (pin.model, pin.release, device.hardware_class)
            uses.setdefault(use, place_of(state, device, f"/pins/{number}/release"))
    return uses


def _artifacts(release: Release) -> object:
    return (
        [(variant.name, variant.file.sha256) for variant in release.variants],
        release.golden and release.golden.sha256,
    )
