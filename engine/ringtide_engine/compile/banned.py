"""Whether a release is under quarantine."""

from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.quarantined import entry_against


def ban_against(state: DesiredState, model: str, version: str | None) -> str | None:
    """Return why a release may not run, None where it may."""
    entry = entry_against(state, model, version)
    return None if entry is None else entry.reason.strip()
