"""`ringtide-agent status`: what the journals on the disk say, whether or not an agent runs."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ringtide_agent.cli.options import Source, config_options

if TYPE_CHECKING:
    from ringtide_agent.orders import Orders
    from ringtide_agent.ports import SlotName, Store
    from ringtide_agent.reporting import Ledger
    from ringtide_contract.ids import Digest

SEEN_HERE = frozenset({"stale", "clock-behind", "held"})
"""Conditions that the disk and the clock show at this moment; what the agent alone sees stands in its last report."""


@click.command()
@config_options
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(source: Source, output: str) -> None:
    """Show where this device stands with every model, and why."""
    from ringtide_agent.adapters.disk_store import DiskStore
    from ringtide_agent.adapters.own_versions import last_choice, own_package
    from ringtide_agent.adapters.system_clock import SystemClock

    configuration = source.read()
    chosen = last_choice(configuration.state_dir / "runtime", own_package()).runtime
    seen = describe(DiskStore(configuration.state_dir, verify=False), SystemClock().now(), chosen)
    seen = {"fleet": configuration.fleet, "device": configuration.device, **seen}
    click.echo(json.dumps(seen, indent=2) if output == "json" else table(seen))


def describe(store: "Store", now: datetime, chosen: "Digest | None" = None) -> dict[str, Any]:
    """Return what the disk knows, as plain values.

    Args:
        store: The disk.
        now: The present.
        chosen: Archive of the agent that the launcher starts; None for the package's.
    """
    from ringtide_agent.journal import ORDERS_ENTRY, REPORTS_ENTRY, decode_record, model_entry
    from ringtide_agent.orders import Orders
    from ringtide_agent.reporting import Ledger, model_report
    from ringtide_agent.state import FRESH
    from ringtide_contract.manifest import RUNTIME_MODEL

    entry = store.load_journal(ORDERS_ENTRY)
    orders = None if entry is None else Orders.decode(entry)
    entry = store.load_journal(REPORTS_ENTRY)
    ledger = Ledger() if entry is None else Ledger.decode(entry)
    models: dict[str, Any] = {}
    for model in sorted({*store.models(), *(() if orders is None else orders.models)}):
        entry = store.load_journal(model_entry(model))
        slot = store.active_slot(model) if model != RUNTIME_MODEL else _started(store, chosen)
        order = None if orders is None else orders.models.get(model)
        part = model_report(
            FRESH if entry is None else decode_record(entry),
            None if slot is None else store.slot(model, slot),
            None if order is None else order.assignment.manifest,
            (),
        ).to_dict()
        del part["counters"]  # they live in the running agent
        models[model] = {**part, "asked": None if order is None else order.assignment.reason}
    floor = store.load_floor()
    return {
        "epoch": floor.epoch,
        "generation": floor.generation,
        "conditions": _conditions(orders, ledger, now),
        "reports": {"last": ledger.number, "waiting": len(ledger.outbox)},
        "models": models,
    }


def table(seen: dict[str, Any]) -> str:
    """Return the same for people."""
    lines = [
        f"{seen['fleet']}/{seen['device']}  generation {seen['epoch']}.{seen['generation']}  "
        f"report {seen['reports']['last']} ({seen['reports']['waiting']} waiting)"
    ]
    lines += [f"{item['type']}: {item['note']}" for item in seen["conditions"]]
    if not seen["models"]:
        return "\n".join([*lines, "no models yet"])
    rows = [("MODEL", "PHASE", "ACTIVE", "REASON")]
    for model, part in seen["models"].items():
        active = part["active"]
        running = f"{active['release']} {active['variant']}" if active else "-"
        rows.append((model, part["phase"], running, part["reason"]))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines += [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    return "\n".join(lines)


def _started(store: "Store", chosen: "Digest | None") -> "SlotName | None":
    names: tuple[SlotName, SlotName] = ("a", "b")
    contents = {name: store.slot("ringtide-agent", name) for name in names}
    return next((name for name, item in contents.items() if item is not None and item.manifest.archive == chosen), None)


def _conditions(orders: "Orders | None", ledger: "Ledger", now: datetime) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    if orders is None:
        found.append({"type": "no-publication", "note": "no publication was accepted yet"})
    elif now > orders.not_after:
        found.append({"type": "stale", "note": f"the publication expired on {orders.not_after:%Y-%m-%d %H:%M} UTC"})
    elif now < orders.issued_at:
        found.append({"type": "clock-behind", "note": f"the clock is behind {orders.issued_at:%Y-%m-%d %H:%M} UTC"})
    if orders is not None and orders.state == "held":
        found.append({"type": "held", "note": "the device is held: it keeps what it runs"})
    told = [each for each in ledger.conditions if each.type not in SEEN_HERE]
    return found + [{"type": each.type, "note": f"{each.note} (report {ledger.number})"} for each in told]
