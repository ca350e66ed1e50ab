"""Bring every artifact of a release to the disk, when downloads are allowed."""

from collections.abc import Sequence
from datetime import timedelta

from ringtide_agent.download_windows import DownloadWindow, opens_at
from ringtide_agent.equipment import Ports
from ringtide_agent.events import Faltered, Fetched, Postponed
from ringtide_agent.limits import RETRY_AFTER_S, pause_s
from ringtide_agent.state import Fetching
from ringtide_agent.view import STAY, Next, View
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import format_instant
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import MAX_NOTE


def fetch(
    ports: Ports, view: View, state: Fetching, manifest: Manifest, windows: Sequence[DownloadWindow]
) -> Fetched | Postponed | Faltered | Next:
    """Fetch what is not here yet, over as many turns as it takes; a release that is whole in a slot needs no network.

    Wrong bytes say something of the mirrors, which can be mended, and nothing of the release: it is tried again later.
    """
    missing = [artifact for artifact in manifest.artifacts if ports.store.blob_path(artifact.sha256) is None]
    if missing and (waits := _waits(view, state, windows)):
        for artifact in missing:
            ports.artifacts.leave(artifact.sha256)
        return waits
    try:
        if missing:
            ports.store.collect_garbage(() if view.orders is None else view.orders.artifacts)
        for artifact in missing:
            if not ports.artifacts.fetch(artifact, manifest.budget.peak_memory_bytes):
                return STAY
    except TrustError as error:
        until = (view.now + timedelta(seconds=RETRY_AFTER_S)).replace(microsecond=0)
        reason = f"{error.rule}: {error}"[:MAX_NOTE]
        return Postponed(subject=state.subject, cause="retry", until=until, generation=view.generation, reason=reason)
    except TransientError as error:
        return Faltered(retry_at_s=_now_s(ports) + pause_s(state.tries), reason=str(error)[:MAX_NOTE])
    reason = f"all {len(manifest.artifacts)} artifacts are here"
    return Fetched(subject=state.subject, at_s=_now_s(ports), reason=reason)


def _waits(view: View, state: Fetching, windows: Sequence[DownloadWindow]) -> Postponed | None:
    """Return why nothing is downloaded now; a device that runs what is banned, or nothing whole any more, never waits."""
    orders, active = view.orders, view.active
    is_banned = orders is not None and active is not None and orders.quarantine.entry_against(active.manifest)
    if is_banned or (view.active_slot is not None and active is None):
        return None
    opens = opens_at(windows, view.now)
    if opens is not None and opens <= view.now:
        return None
    until = "none opens within eight days" if opens is None else f"the next opens at {format_instant(opens)}"
    reason = f"outside the download windows of this device: {until}"
    return Postponed(subject=state.subject, cause="window", until=opens, generation=view.generation, reason=reason)


def _now_s(ports: Ports) -> int:
    return int(ports.clock.monotonic_s())
