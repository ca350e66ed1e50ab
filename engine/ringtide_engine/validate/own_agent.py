"""The agent's own releases: archives and no graphs, and never on the move together with a model."""

from collections.abc import Iterator, Mapping, Sequence

from packaging.version import InvalidVersion, Version

from ringtide_contract.manifest import RUNTIME_MODEL
from ringtide_engine.model.desired import DesiredState, Device, Placement, Rollout
from ringtide_engine.model.finding import Finding
from ringtide_engine.model.releases import Release
from ringtide_engine.model.rules import finding
from ringtide_engine.model.steady_state import unfinished


def own_agent(state: DesiredState, members: Mapping[str, Sequence[Device]]) -> Iterator[Finding]:
    """Yield releases that are neither a model's nor the agent's, and rollouts of both that meet on a device."""
    for release in state.releases.values():
        wrong = _misfit(release)
        if wrong is not None:
            pointer, message = wrong
            place = state.documents[release.path].place(pointer)
            yield finding("RT-RELEASE-005", place, f"{release.model} {release.version} {message}")
    under_way = [
        (placement, rollout) for placement in state.placements.values() for rollout in unfinished(state, placement)
    ]
    for own in under_way:
        for other in under_way:
            if own[0].model == RUNTIME_MODEL != other[0].model:
                yield from _meeting(state, members, own, other)


def _misfit(release: Release) -> tuple[str, str] | None:
    if release.model != RUNTIME_MODEL:
        for pointer, tensors in (("/inputs", release.inputs), ("/outputs", release.outputs)):
            if not tensors:
                return pointer, f"has no {pointer[1:]}"
        return None
    for pointer, said in (("/inputs", release.inputs), ("/outputs", release.outputs), ("/golden", release.golden)):
        if said:
            return pointer, f"is the agent itself, and has {pointer[1:]}"
    for number, variant in enumerate(release.variants):
        if variant.arch is None:
            return f"/variants/{number}", f"does not say what processor {variant.name} is made for"
    try:
        Version(release.version)
    except InvalidVersion:
        return "/version", "has a version that devices cannot order (PEP 440)"
    return None


def _meeting(
    state: DesiredState,
    members: Mapping[str, Sequence[Device]],
    own: tuple[Placement, Rollout],
    other: tuple[Placement, Rollout],
) -> Iterator[Finding]:
    shared = {each.id for each in members.get(own[0].cohort, ())} & {
        each.id for each in members.get(other[0].cohort, ())
    }
    if not shared:
        return
    later, earlier = (own[1], other[1]) if own[1].name not in state.progress else (other[1], own[1])
    place = state.documents[later.path].place("/placement")
    count = f"{len(shared)} device" + ("s" if len(shared) != 1 else "")
    message = f"{later.name} and {earlier.name} change {count} at once, one of them the agent itself"
    yield finding("RT-ROLLOUT-010", place, message)
