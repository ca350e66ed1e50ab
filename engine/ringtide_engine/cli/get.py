"""`ringtide get`."""

from pathlib import Path
from typing import Any

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import repository_options


@click.command("get")
@click.argument("kind", type=click.Choice(["devices", "rollouts", "releases"]))
@repository_options(reports=False)
@rendering.output_option("table", "json", "yaml", "name")
def get_command(kind: str, fleet: Path, reports: Path | None, branch: str, output: rendering.Output) -> int:
    """List devices, rollouts or releases of the desired state.

    With --reports, devices show what they run and when they were heard of last.
    """
    from ringtide_engine.workflows.listings import list_devices, list_releases, list_rollouts, read_head

    state = read_head(wiring.fleet_repository(fleet), branch)
    match kind:
        case "devices":
            rows = list_devices(state, wiring.reports_repository(reports) if reports else None)
        case "rollouts":
            rows = list_rollouts(state)
        case _:
            rows = list_releases(state)
    if output == "name":
        rendering.write([_name(row) for row in rows], "name")
    elif output != "table":
        rendering.write(list(rows), output)
    elif rows:
        rendering.write_table(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows])
    else:
        rendering.talk(f"there are no {kind}")
    return OK


def _name(row: dict[str, Any]) -> str:
    return str(row.get("id") or row.get("name") or f"{row.get('model')}/{row.get('version')}")


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
