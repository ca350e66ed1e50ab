"""Where a new release goes: its file, which must not be there yet, and its store; and its text, read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name, parse_version
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.releases import Release
from ringtide_engine.workflows.release_text import release_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The place of a release in the fleet repository."""

    path: str
    """File that it is written to."""
    address: str
    """Address of the artifact store that takes its files."""
    around: Mapping[str, bytes]
    """The files that it is read with: `fleet.yaml` and the hardware classes."""


def ground_for(model: str, version: str, store: str, classes: Iterable[str], files: Mapping[str, bytes]) -> Ground:
    """Return the place of a new release.

    Args:
        model: Its model.
        version: Its version.
        store: Name of the artifact store.
        classes: Hardware classes that it has budgets for.
        files: The fleet repository's files.

    Raises:
        InputError: The release exists, or the store or a class is unknown.
        FindingsError: The fleet repository cannot be read.
    """
    path = f"models/{parse_name(model)}/{parse_version(version)}.yaml"
    if path in files:
        raise InputError(f"{path} exists, and a release never changes; give this one another version")
    around = {each: files[each] for each in files if each == "fleet.yaml" or each.startswith("hardware/")}
    state = _loaded(around)
    for name in classes:
        _known("hardware class", name, state.hardware, f"add hardware/{name}.yaml")
    stores = state.fleet.artifact_stores
    _known("artifact store", store, stores, "add it to artifactStores in fleet.yaml")
    return Ground(path=path, address=stores[store], around=around)


def written(ground: Ground, release: Release, named_in: str) -> bytes:
    """Return the text of a release that `load` reads back as it is.

    Args:
        ground: Its place.
        release: It.
        named_in: Where its names come from, for messages.

    Raises:
        InputError: The text would not say what it should.
        FindingsError: It would not load.
    """
    text = release_text(release)
    if _loaded({**ground.around, ground.path: text}).releases[release.model, release.version] != release:
        raise InputError(f"{ground.path} would not say what it should; a name in {named_in} cannot be written as YAML")
    return text


def _loaded(files: Mapping[str, bytes]) -> DesiredState:
    """Return the desired state of files that must be without a finding."""
    found = load_desired(files)
    if found.state is None or found.findings:
        raise FindingsError(found.findings)
    return found.state


def _known(what: str, name: str, known: Mapping[str, object], otherwise: str) -> None:
    """Refuse a name that is not among the known ones, with the nearest that is."""
    if name in known:
        return
    meant = get_close_matches(name, known, n=1, cutoff=0.6)
    fix = f"did you mean {meant[0]}?" if meant else f"there are: {', '.join(sorted(known)) or 'none'}; {otherwise}"
    raise InputError(f"there is no {what} {name!r}: {fix}")
