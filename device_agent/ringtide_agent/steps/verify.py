"""Believe a snapshot, or not; make what was believed durable before anything acts on it."""

from dataclasses import dataclass
from datetime import datetime

from ringtide_agent.equipment import Settings
from ringtide_agent.journal import ORDERS_ENTRY
from ringtide_agent.orders import Orders
from ringtide_agent.ports import Snapshot, Store, Trust
from ringtide_agent.publication_state import Missed, Taken, Unchanged, Untrusted
from ringtide_contract.acceptance import Floor, accept
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.tree import manifest_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was accepted last in this run, to see without work that nothing has changed."""

    commit: str
    """Name of the snapshot."""
    bundle: Digest
    """Digest of its bundle."""


def verify(
    trust: Trust,
    store: Store,
    settings: Settings,
    snapshot: Snapshot,
    *,
    floor: Floor,
    known: Known | None,
    now: datetime,
    next_s: int,
    retry_s: int,
) -> tuple[Taken, Known] | Unchanged | Untrusted | Missed:
    """Apply every rule to a snapshot.

    Args:
        trust: The TUF client; it refreshes every time, so that a frozen mirror shows.
        store: Keeps the floor and the orders.
        settings: Who this device is.
        snapshot: What the source shows.
        floor: The newest publication verified here.
        known: What was accepted last in this run.
        now: The present, not below the clock floor.
        next_s: Monotonic second of the next poll after an answer.
        retry_s: The same where the source breaks off.
    """
    contents: dict[str, bytes] = {}

    def read(path: str, limit: int) -> bytes:
        content = contents[path] = snapshot.read(path, limit)
        return content

    try:
        policy, bundle = trust.refresh(snapshot, now)
        seen = Known(commit=snapshot.commit, bundle=sha256(bundle))
        if seen == known:
            return Unchanged(next_s=next_s)
        accepted = accept(
            bundle, trust=policy, fleet=settings.fleet, device=settings.device, floor=floor, now=now, read=read
        )
        wanted = {desired.assignment.manifest for desired in accepted.desired.values()}
        orders = Orders.of(accepted, {digest: contents[manifest_path(digest)] for digest in wanted if digest})
        if accepted.floor != floor:
            store.save_floor(accepted.floor)
        content = orders.encode()
        if content != _lying(store):
            store.save_journal(ORDERS_ENTRY, content)
    except TrustError as error:
        return Untrusted(rule=error.rule, reason=str(error), next_s=next_s)
    except TransientError as error:
        return Missed(reason=str(error), next_s=retry_s)
    return Taken(orders=orders, floor=accepted.floor, next_s=next_s), seen


def _lying(store: Store) -> bytes | None:
    """Return the orders on the disk; damaged ones are written anew like those that are not there."""
    try:
        return store.load_journal(ORDERS_ENTRY)
    except InputError:
        return None
