"""Whether a release is under quarantine."""

from ringtide_engine.model.desired import DesiredState


def ban_against(state: DesiredState, model: str, version: str | None) -> str | None:
    """Return why a release may not run, None where it may."""
    release = None if version is None else state.releases.get((model, version))
    graphs = {variant.file.sha256 for variant in release.variants} if release else set()
    for entry in state.quarantine:
        named = entry.subject == "release" and (entry.model, entry.release) == (model, version)
        if named or graphs & set(entry.graphs):
            return entry.reason.strip()
    return None
