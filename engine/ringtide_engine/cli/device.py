"""`ringtide device`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.workflows.device_entries import State

MAX_DOCUMENT_BYTES = 1_000_000
"""Of a Device document from standard input; more is not one."""

_DRY = click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")


@click.group("device")
def device_command() -> None:
    """Enroll devices, hold them, retire them, certify them.

    The verbs that change devices edit the work tree; commit what they wrote and publish it.
    """


@device_command.command("add")
@click.argument("document", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
@fleet_option()
@_DRY
def add_command(document: Path, fleet: Path, dry_run: bool) -> int:
    """Add the device whose document `ringtide-agent enroll` printed, from FILE or from standard input (-).

    Writes devices/<id>.yaml, and never over another file.
    """
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.workflows.device_entries import new_entry

    content, source = _read(document)
    today, engine = wiring.clock().now().date(), wiring.policies()
    entry = new_entry(read_folder(fleet), content, source, today=today, engine=engine)
    if entry.findings:
        rendering.talk(rendering.findings_text(entry.findings, {entry.path: entry.content}))
    if not dry_run:
        write_file(fleet / entry.path, entry.content)
    click.echo(entry.path)
    return OK


@device_command.command("rekey")
@click.argument("document", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
@fleet_option()
@_DRY
def rekey_command(document: Path, fleet: Path, dry_run: bool) -> int:
    """Give an enrolled device the keys of a document, from FILE or from standard input (-).

    The document is what `ringtide-agent enroll` or `ringtide-agent rotate-key` printed; nothing else of it is taken. After
    an enrolment the key before counts no more; after a rotation it does until the new one has signed a report.
    """
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.workflows.device_entries import rekeyed

    content, source = _read(document)
    entry = rekeyed(read_folder(fleet), content, source)
    if not dry_run:
        write_file(fleet / entry.path, entry.content)
    click.echo(entry.path)
    return OK


@device_command.command("list")
@fleet_option()
@rendering.output_option("table", "json", "yaml", "name")
def list_command(fleet: Path, output: rendering.Output) -> int:
    """List the devices as the files lie there, committed or not, with their class and stratum."""
    from ringtide_engine.cli.work_tree import read_folder
    from ringtide_engine.load.desired import load_desired
    from ringtide_engine.model.finding import FindingsError
    from ringtide_engine.resolve import resolve

    loaded = load_desired(read_folder(fleet))
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    resolution = resolve(loaded.state)
    rows = [
        {
            "id": device.id,
            "hardwareClass": device.hardware_class,
            "state": device.state,
            "labels": dict(sorted(device.labels.items())),
            "class": resolution.class_of.get(device.id),
            "stratum": resolution.classes[resolution.class_of[device.id]].stratum
            if device.id in resolution.class_of
            else None,
        }
        for _, device in sorted(loaded.state.devices.items())
    ]
    if output == "name":
        rendering.write([row["id"] for row in rows], "name")
    elif output != "table":
        rendering.write(rows, output)
    elif rows:
        rendering.write_table(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows])
    else:
        rendering.talk("no device is enrolled yet")
    return OK


@device_command.command("certify")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@fleet_option()
@click.option("--branch", default="main", show_default=True, metavar="NAME", help="Branch of the desired state.")
@click.option("--keys", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of devices.pem.")
@click.option(
    "--hours", type=click.IntRange(1, 720), default=48, show_default=True, help="A certificate holds for so long."
)
@_DRY
def certify_command(folder: Path, fleet: Path, branch: str, keys: Path, hours: int, *, dry_run: bool) -> int:
    """Give every active device a short client certificate over its own key, for artifact stores.

    DIR is served as it is by any web server: certificates are no secret. Run it from a schedule; a certificate is
    renewed after half of its time. A device that the head of main does not call active loses its own, and the one it
    still has ends within --hours. Make the key with `ringtide key new devices DIR`.
    """
    from datetime import timedelta

    from ringtide_engine.workflows.certify import certify
    from ringtide_engine.workflows.listings import read_head

    state = read_head(wiring.fleet_repository(fleet), branch)
    certificates = wiring.certificates(folder, keys, state.fleet.name)
    now = wiring.clock().now().replace(microsecond=0)
    done = certify(state, certificates, now=now, lifetime=timedelta(hours=hours), dry_run=dry_run)
    for what, found in (("issued", done.issued), ("withdrawn", done.withdrawn)):
        rendering.write([f"{what} {name}" for name in found], "name")
    rendering.talk(f"{len(done.issued)} issued, {len(done.kept)} kept, {len(done.withdrawn)} withdrawn")
    return OK


@device_command.command("hold")
@click.argument("device", metavar="ID", shell_complete=names.devices)
@fleet_option()
@_DRY
def hold_command(device: str, fleet: Path, dry_run: bool) -> int:
    """Let a device stay on what it runs: it takes nothing new until it is released."""
    return _change(fleet, device, "held", frozenset({"active"}), dry_run=dry_run)


@device_command.command("release")
@click.argument("device", metavar="ID", shell_complete=names.devices)
@fleet_option()
@_DRY
def release_command(device: str, fleet: Path, dry_run: bool) -> int:
    """Let a held device take part again."""
    return _change(fleet, device, "active", frozenset({"held"}), dry_run=dry_run)


@device_command.command("retire")
@click.argument("device", metavar="ID", shell_complete=names.devices)
@fleet_option()
@_DRY
def retire_command(device: str, fleet: Path, dry_run: bool) -> int:
    """Serve a device no longer, and believe its reports no longer."""
    return _change(fleet, device, "retired", frozenset({"active", "held"}), dry_run=dry_run)


def _read(document: Path) -> tuple[bytes, str]:
    from ringtide_engine.cli.work_tree import read_file

    if str(document) == "-":
        return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1), "standard input"
    return read_file(document), str(document)


def _change(fleet: Path, device: str, state: "State", allowed: "frozenset[State]", *, dry_run: bool) -> int:
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.workflows.device_entries import find_device, with_state

    files = read_folder(fleet)
    found = find_device(files, device)
    if found.state == state:
        rendering.talk(f"{device} is {state} already")
        return OK
    if found.state not in allowed:
        raise InputError(f"{device} is {found.state}; a retired device comes back by enrolment under another id")
    entry = with_state(files, found, state)
    if not dry_run:
        write_file(fleet / entry.path, entry.content)
    click.echo(f"{entry.path}: {found.state} -> {state}")
    return OK


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in value.items()) or "-"
    return "-" if value is None else str(value)
