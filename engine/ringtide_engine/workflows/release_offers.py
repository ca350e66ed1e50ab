"""What a new release offers to spare devices its bytes: chunk lists, and deltas from what they run now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from ringtide_contract.artifact import CHUNK_BYTES, write_chunk_list
from ringtide_contract.errors import RingtideError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import DesiredState, HardwareClass
from ringtide_engine.model.fitness import unmet
from ringtide_engine.model.releases import Release, ReleaseDelta, ReleaseFile, Variant
from ringtide_engine.model.steady_state import stable_version, unfinished
from ringtide_engine.ports import ArtifactStore

MOST_SHARE = Fraction(7, 10)
"""A larger part of the whole is not worth a second way to get there. Retrained weights give nine tenths."""

LEAST_SAVING_BYTES = 64 * 1024
"""Nor is less than this: to apply a delta costs a device a process."""

MOST_DELTAS = 16
"""Of one file; as the schema allows."""

MakeDelta = Callable[[bytes, bytes], bytes]
"""Makes the second file of the first one."""

_ABOUT = ("hardware/", "cohorts/", "rings/", "placements/", "rollouts/", "progress/", "quarantine/")
"""Folders that say what devices run; pinned ones take no new release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedDelta:
    """A delta from what devices run now."""

    variant: str
    """The new release's variant."""
    release: str | None
    """The release that they run; None where that could not be read."""
    size_bytes: int | None
    """Size of the delta; None where it could not be made."""
    whole_bytes: int
    """Size of the variant's graph."""
    reason: str | None
    """Why it is left out; None where the release offers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What a release offers."""

    release: Release
    """The release that says so."""
    contents: tuple[bytes, ...]
    """Files to be stored beside the release's own."""
    tried: tuple[TriedDelta, ...]
    """The deltas, offered or not."""


def with_offers(
    release: Release,
    graphs: Mapping[Digest, bytes],
    files: Mapping[str, bytes],
    *,
    open_store: Callable[[str], ArtifactStore],
    make_delta: MakeDelta,
) -> Offers:
    """Return the release with a chunk list for every graph of several pieces, and deltas where they are small.

    What cannot be made is left out, with the reason: devices then fetch the whole.

    Args:
        release: The new release.
        graphs: Digest to content of its graphs.
        files: The fleet repository's files.
        open_store: Opens the store at an address, to read what devices run.
        make_delta: Makes deltas.
    """
    contents: list[bytes] = []
    tried: list[TriedDelta] = []
    chunks: dict[Digest, Digest] = {}
    deltas: dict[Digest, list[ReleaseDelta]] = {}
    for digest, graph in graphs.items():
        if len(graph) > CHUNK_BYTES:
            contents.append(write_chunk_list(graph))
            chunks[digest] = sha256(contents[-1])
    state = _about(release.model, files)
    if state is None:
        said = "the fleet repository has errors, see ringtide check"
        unknown = TriedDelta(variant="", release=None, size_bytes=None, whole_bytes=0, reason=said)
        large = (each for each in release.variants if each.file.size_bytes >= LEAST_SAVING_BYTES)
        tried += [replace(unknown, variant=each.name, whole_bytes=each.file.size_bytes) for each in large]
    for variant, earlier, base, address in () if state is None else _pairs(release, state):
        whole = len(graphs[variant.file.sha256])
        if whole < LEAST_SAVING_BYTES:
            continue
        one = TriedDelta(variant=variant.name, release=earlier, size_bytes=None, whole_bytes=whole, reason=None)
        try:
            old = open_store(address).get(base.sha256, base.size_bytes)
            delta = make_delta(old, graphs[variant.file.sha256])
        except RingtideError as error:
            tried.append(replace(one, reason=str(error)))
            continue
        offered = deltas.setdefault(variant.file.sha256, [])
        reason = left_out(len(delta), whole) if len(offered) < MOST_DELTAS else f"there are {MOST_DELTAS} already"
        one = replace(one, size_bytes=len(delta), reason=reason)
        if reason is None:
            contents.append(delta)
            offered.append(ReleaseDelta(base=base.sha256, sha256=sha256(delta), size_bytes=len(delta)))
        tried.append(one)

    def offering(file: ReleaseFile) -> ReleaseFile:
        return replace(file, chunks=chunks.get(file.sha256), deltas=tuple(deltas.get(file.sha256, ())))

    variants = tuple(replace(each, file=offering(each.file)) for each in release.variants)
    return Offers(release=replace(release, variants=variants), contents=tuple(contents), tried=tuple(tried))


def left_out(delta: int, whole: int) -> str | None:
    """Return why a delta of this size is not worth offering; None where it is."""
    if delta > MOST_SHARE * whole:
        return f"more than {MOST_SHARE * 100}% of the whole"
    if whole - delta < LEAST_SAVING_BYTES:
        return f"saves less than {LEAST_SAVING_BYTES >> 10} KiB"
    return None


def _about(model: str, files: Mapping[str, bytes]) -> DesiredState | None:
    """Return what the fleet repository says about a model; None where it cannot be read."""
    around = (*_ABOUT, f"models/{model}/")
    return load_desired({path: files[path] for path in files if path == "fleet.yaml" or path.startswith(around)}).state


def _pairs(release: Release, state: DesiredState) -> Iterator[tuple[Variant, str, ReleaseFile, str]]:
    """Yield which variant follows which graph of which version on some hardware, and the address of that graph's store."""
    seen: set[tuple[Digest, Digest]] = set()
    for version in sorted(_running(state, release.model)):
        earlier = state.releases.get((release.model, version))
        for name in sorted(release.budgets):
            hardware = state.hardware.get(name)
            if earlier is None or hardware is None:
                continue
            old, new = _chosen(earlier, hardware), _chosen(release, hardware)
            if old is None or new is None or old.file.sha256 == new.file.sha256:
                continue
            address = state.fleet.artifact_stores.get(old.file.store)
            if address is not None and (old.file.sha256, new.file.sha256) not in seen:
                seen.add((old.file.sha256, new.file.sha256))
                yield new, version, old.file, address


def _running(state: DesiredState, model: str) -> set[str]:
    """Return the releases of a model that placements run, or are about to."""
    found: set[str] = set()
    for placement in state.placements.values():
        if placement.model == model:
            stable = stable_version(state, placement)
            found |= set() if stable is None else {stable}
            found |= {rollout.candidate for rollout in unfinished(state, placement)}
    return found


def _chosen(release: Release, hardware: HardwareClass) -> Variant | None:
    return next((each for each in release.variants if not unmet(each, hardware)), None)
