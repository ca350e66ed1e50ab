"""`ringtide-agent self-test`: whether this version could run this device, without touching anything."""

import sys
from typing import TYPE_CHECKING

import click

from ringtide_agent.cli.options import Source, config_options

if TYPE_CHECKING:
    from ringtide_agent.adapters.disk_store import DiskStore
    from ringtide_agent.serve.probe_messages import ProbeAnswer

NOT_NOW = 75


@click.command("self-test")
@config_options
def self_test(source: Source) -> int:
    """Read configuration and state, and try every model that runs here; one line of JSON on stdout.

    The version that runs asks a new one this before it gives way. Exits with 75 where a trial could not be made.
    """
    from ringtide_agent.adapters.disk_store import DiskStore
    from ringtide_agent.serve.probe_messages import encode_answer
    from ringtide_contract.errors import TransientError

    try:
        answer = _tried(DiskStore(source.read().state_dir, verify=False))
    except TransientError as error:
        click.echo(f"error: {error}", err=True)
        return NOT_NOW
    sys.stdout.buffer.write(encode_answer(answer))
    return 0


def _tried(store: "DiskStore") -> "ProbeAnswer":
    from ringtide_agent import __version__
    from ringtide_agent.adapters.disk_store import FORMAT
    from ringtide_agent.adapters.probe_process import ProbeProcess
    from ringtide_agent.journal import ORDERS_ENTRY, REPORTS_ENTRY, decode_record, model_entry
    from ringtide_agent.orders import Orders
    from ringtide_agent.reporting import Ledger
    from ringtide_agent.serve.probe_messages import ProbeAnswer
    from ringtide_agent.serving import served_release
    from ringtide_contract.manifest import RUNTIME_MODEL

    def answer(failure: str | None, note: str) -> ProbeAnswer:
        return ProbeAnswer(failure=failure, note=note, p95_latency_us=None, peak_memory_bytes=None)  # type: ignore[arg-type]

    if store.written_format() not in (None, FORMAT):
        return answer("requirement", f"version {__version__} keeps its state in format {FORMAT}: install its package")
    store.load_floor()
    for name, decode in ((ORDERS_ENTRY, Orders.decode), (REPORTS_ENTRY, Ledger.decode)):
        content = store.load_journal(name)
        if content is not None:
            decode(content)
    tried: list[str] = []
    for model in store.models():
        entry = store.load_journal(model_entry(model))
        if entry is not None:
            decode_record(entry)
        slot = store.active_slot(model)
        content_ = None if slot is None or model == RUNTIME_MODEL else store.slot(model, slot)
        release = None if content_ is None else served_release(store, content_)
        if release is None:
            continue
        result = ProbeProcess().probe(release)
        if result.failure is not None:
            return answer(result.failure, f"{model} {release.manifest.release}: {result.note}")
        tried.append(f"{model} {release.manifest.release}: {result.note}")
    return answer(None, f"version {__version__} reads this device's state; {'; '.join(tried) or 'no models here'}")
