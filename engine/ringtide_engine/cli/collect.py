"""`ringtide collect`."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import FAILED, OK
from ringtide_engine.cli.repositories import repository_options

if TYPE_CHECKING:
    from ringtide_engine.model.finding import Finding
    from ringtide_engine.workflows.recording import IngestResult

RETRY_S = 10
"""After a repository did not answer; the reports wait."""

SAID_MOST = 10_000
"""Findings that are remembered as said; who sends nonsense all day is named once."""


@click.command("collect")
@repository_options()
@click.option(
    "--mqtt",
    "broker",
    required=True,
    envvar="RINGTIDE_BROKER",
    show_envvar=True,
    metavar="URL",
    help="Broker: mqtts://host[:port]?authority=FILE&certificate=FILE&key=FILE.",
)
@click.option("--collector", default="main", show_default=True, metavar="NAME", help="Name of this collector.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Commit what has arrived so often.",
)
@click.option("--once", is_flag=True, help="Take what arrives within that time, commit it, and end.")
def collect_command(
    fleet: Path, reports: Path, branch: str, broker: str, collector: str, every: float, once: bool
) -> int:
    """Collect the reports that devices send through an MQTT 5 broker, until stopped.

    Checks each as `ringtide ingest` does, commits what is new to the branch collected/<collector> of the reports
    repository, and only then acknowledges it. Ended at any point, it loses nothing.
    """
    from ringtide_contract.errors import TransientError
    from ringtide_engine.workflows.collect import StateReader, collect

    repositories = wiring.fleet_repository(fleet), wiring.reports_repository(reports)
    clock = wiring.clock()
    read, stopping, said = StateReader(), threading.Event(), set[tuple[str, str, str]]()
    head = repositories[0].head(branch)
    if head is None:
        raise click.ClickException(f"the fleet repository has no branch {branch}")
    name = read(repositories[0], head).fleet.name
    with wiring.inbox(broker, name, collector) as inbox:

        def end(_number: int, _frame: FrameType | None) -> None:
            stopping.set()
            inbox.hurry()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        while not stopping.is_set():
            try:
                result = collect(
                    *repositories, inbox, collector=collector, clock=clock, wait_s=every, branch=branch, read=read
                )
            except TransientError as error:
                if once:
                    raise
                rendering.talk(f"the reports wait: {error}")
                stopping.wait(RETRY_S)
                continue
            if result is not None:
                _say(result, said)
            if once:
                if result is None:
                    raise click.ClickException(inbox.trouble)
                return OK
    return OK if not once else FAILED


def _say(result: "IngestResult", said: set[tuple[str, str, str]]) -> None:
    new: list[Finding] = []
    for finding in result.findings:
        key = (finding.rule, finding.place.path.partition(":reports/")[0], finding.message[:40])
        if key not in said:
            new.append(finding)
            said.add(key)
    if len(said) > SAID_MOST:
        said.clear()
    if new:
        rendering.talk(rendering.findings_text(tuple(new), {}))
    if result.accepted:
        click.echo(f"{result.accepted} reports accepted, commit {result.commit}")
