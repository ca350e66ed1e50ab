"""`ringtide demo`."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from ringtide_contract.errors import InputError
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FAILED, OK


@click.command("demo")
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep everything in DIR, which must not exist yet."
)
@rendering.output_option("table", "json")
def demo_command(keep: Path | None, output: rendering.Output) -> int:
    """Tell the whole story on this machine: twelve devices, a good release, a bad one.

    Everything is real: repositories, keys, agents, models, images. It needs no broker, no cloud, no root and no network.
    """
    from rich.console import Console

    from ringtide_engine.demo.agents import Places
    from ringtide_engine.demo.story import Story
    from ringtide_engine.demo.voice import Voice

    if keep is not None and keep.exists():
        raise InputError(f"{keep} exists; name a folder that does not, or remove it")
    folder = Path(tempfile.mkdtemp(prefix="ringtide-demo-")) if keep is None else keep.absolute()
    voice = Voice(Console(stderr=output == "json"))
    try:
        outcome = Story(Places(folder=folder), voice).tell()
    except BaseException:
        rendering.talk(f"What there is so far lies in {folder}; the agents' logs are in devices/*/agent.log.")
        raise
    commands = (
        f"git -C {folder}/fleet.git log --stat main",
        f"git -C {folder}/fleet.git log -p main -- progress quarantine incidents",
        f"git -C {folder}/fleet.git log --oneline published",
        f"git -C {folder}/reports.git log --oneline --branches='reports/*'",
    )
    voice.ending(outcome, commands if keep else ())
    if keep is None:
        shutil.rmtree(folder)
        voice.say("Everything was removed. `ringtide demo --keep DIR` keeps the repositories to look into.")
    else:
        outcome = replace(outcome, folder=str(folder))
    if output == "json":
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    return OK if outcome.is_as_told else FAILED
