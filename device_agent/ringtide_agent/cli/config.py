"""`ringtide-agent config show`: every value that the agent runs with, and where it stands."""

import json

import click

from ringtide_agent.cli.options import Source, config_options


@click.group()
def config() -> None:
    """See what the agent is configured with."""


@config.command()
@config_options
@click.option(
    "--origin", is_flag=True, help="Say where each value stands: file and line, variable, option, or default."
)
@click.option("-o", "--output", type=click.Choice(["toml", "json"]), default="toml", show_default=True)
def show(source: Source, *, origin: bool, output: str) -> None:
    """Show every value; the later layer wins: file, conf.d/*.toml, RINGTIDE_AGENT_*, --set."""
    from ringtide_agent.adapters.config_layers import full_name
    from ringtide_agent.config import configuration

    given = source.inputs()
    configuration(given)
    rows = [
        (full_name(table, key), given.values[table][key], place) for (table, key), place in sorted(given.places.items())
    ]
    if output == "json":
        shown = {name: {"value": value, "origin": place} if origin else value for name, value, place in rows}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    lines = [
        (f"# {name} is not set" if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}", place)
        for name, value, place in rows
    ]
    width = max(len(line) for line, _ in lines)
    for line, place in lines:
        click.echo(f"{line.ljust(width)}  # {place}" if origin else line)
