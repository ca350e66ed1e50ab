"""`ringtide-agent run` and `once`: the reconcile loop, for as long as the machine runs or until it has converged."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

import click

from ringtide_agent.cli.options import Source, config_options

if TYPE_CHECKING:
    from ringtide_agent.wiring import Running

STOP_S = 5
"""A turn that is still under way then, a long download say, is broken off; every step survives that."""

NOT_CONVERGED, TRUST_REFUSED, OTHER_VERSION = 5, 4, 6


class _Driver:
    """Drives an agent until a signal: passes hints on in the agent's own thread."""

    def __init__(self, running: "Running") -> None:
        self._running = running
        self._stopping = False

    def stop(self) -> bool:
        """Pass a hint on, and tell whether to end."""
        self._running.tell()
        if self._running.hinted.is_set():
            self._running.hinted.clear()
            self._running.agent.hint()
        return self._stopping

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for the end; asked again, or after a while, break the turn off."""
        if self._stopping:
            sys.exit(0)
        self._stopping = True
        signal.alarm(STOP_S)
        self._running.clock.wake()


@contextmanager
def _driving(source: Source) -> Iterator[tuple["Running", _Driver]]:
    from ringtide_agent.wiring import running

    options = ("--config", str(source.path), *(word for text in source.settings for word in ("--set", text)))
    with running(source.read(), options) as agent:
        driver = _Driver(agent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, driver.end)
        yield agent, driver


@click.command()
@config_options
@click.option("--metrics-file", metavar="PATH", help="Write figures for node_exporter there; the same as metrics.file.")
def run(source: Source, metrics_file: str | None) -> int:
    """Reconcile until stopped.

    Exits with 6 when the fleet asks for another version of the agent, which the service's next start runs.
    """
    if metrics_file is not None:
        source = replace(source, settings=(*source.settings, f"metrics.file={metrics_file}"))
    with _driving(source) as (agent, driver):
        click.echo("serving on http://{}:{}".format(*agent.address), err=True)
        agent.agent.run(driver.stop)
        return OTHER_VERSION if agent.agent.restarting else 0


@click.command()
@config_options
@click.option(
    "--wait",
    type=click.FloatRange(0, 86400),
    default=300,
    show_default=True,
    help="Seconds at most; a poll or push under way is heard out.",
)
def once(source: Source, wait: float) -> int:
    """Reconcile until everything asked for runs and is confirmed, or cannot be by waiting.

    Where the fleet cannot be reached, what was accepted last is what is asked for.

    Exits with 0 when it does, with 5 when it did not in time or the release is refused here, with 4 when the publication was refused.
    """
    with _driving(source) as (agent, driver):
        end = agent.clock.monotonic_s() + wait
        while True:
            outcome = agent.agent.once()
            resting = agent.agent.at_rest()
            is_over = outcome != "not-converged" or resting or agent.clock.monotonic_s() >= end
            if driver.stop() or (is_over and not agent.agent.awaits):
                break
            agent.clock.sleep(1.0)
    for model, reason in resting.items():
        click.echo(f"{model}: {reason}", err=True)
    click.echo(outcome)
    return {"converged": 0, "refused": TRUST_REFUSED}.get(outcome, NOT_CONVERGED)
