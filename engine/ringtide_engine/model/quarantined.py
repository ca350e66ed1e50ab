"""Whether a release is under quarantine: by its own name, or under any other by its graphs."""

from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.model.desired import DesiredState


def entry_against(state: DesiredState, model: str, version: str | None) -> QuarantineEntry | None:
    """Return the entry that bans a release, None where it may run."""
    release = None if version is None else state.releases.get((model, version))
    graphs = {variant.file.sha256 for variant in release.variants} if release else set()
    for entry in state.quarantine:
        named = entry.subject == "release" and (entry.model, entry.release) == (model, version)
        if named or graphs & set(entry.graphs):
            return entry
    return None
