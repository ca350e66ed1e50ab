"""Believe a snapshot, or not; make durable what is believed before anything acts on it."""

from dataclasses import dataclass
from datetime import datetime

from ringtide_agent.equipment import Settings
from ringtide_agent.journal import ORDERS_ENTRY
from ringtide_agent.orders import Orders
from ringtide_agent.ports import Snapshot, Store, Trust
from ringtide_contract.acceptance import Floor, accept
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.tree import manifest_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was accepted last in this run, to see without work that nothing has changed."""

    commit: str
    """Name of the snapshot."""
    bundle: Digest
    """Digest of its bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A publication that passed every rule."""

    orders: Orders
    """What it says of this device."""
    floor: Floor
    """The floor from now on."""
    known: Known
    """How to see that it has not changed."""


def verify(
    trust: Trust, settings: Settings, snapshot: Snapshot, *, floor: Floor, known: Known | None, now: datetime
) -> Believed | None:
    """Apply every rule to a snapshot; None where it is what was accepted last.

    Args:
        trust: The TUF client; it refreshes every time, so that a frozen mirror shows.
        settings: Who this device is.
        snapshot: What the source shows.
        floor: The newest publication verified here.
        known: What was accepted last in this run.
        now: The present, not below the clock floor.

    Raises:
        TrustError: A rule refused it.
        TransientError: The source broke off.
    """
    contents: dict[str, bytes] = {}

    def read(path: str, limit: int) -> bytes:
        content = contents[path] = snapshot.read(path, limit)
        return content

    policy, bundle = trust.refresh(snapshot, now)
    seen = Known(commit=snapshot.commit, bundle=sha256(bundle))
    if seen == known:
        return None
    accepted = accept(
        bundle, trust=policy, fleet=settings.fleet, device=settings.device, floor=floor, now=now, read=read
    )
    wanted = {desired.assignment.manifest for desired in accepted.desired.values()}
    orders = Orders.of(accepted, {digest: contents[manifest_path(digest)] for digest in wanted if digest})
    return Believed(orders=orders, floor=accepted.floor, known=seen)


def keep(store: Store, believed: Believed, floor: Floor) -> None:
    """Make durable what is believed, before anything acts on it.

    Args:
        store: Keeps the floor and the orders.
        believed: What passed every rule.
        floor: The floor that lies on the disk.

    Raises:
        TransientError: The disk does not take it.
    """
    if believed.floor != floor:
        store.save_floor(believed.floor)
    content = believed.orders.encode()
    if content != _lying(store):
        store.save_journal(ORDERS_ENTRY, content)


def _lying(store: Store) -> bytes | None:
    """Return the orders on the disk; damaged ones are written anew like those that are not there."""
    try:
        return store.load_journal(ORDERS_ENTRY)
    except InputError:
        return None
