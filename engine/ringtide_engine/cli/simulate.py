"""`ringtide simulate`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringtide_engine import wiring
from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.simulate.answers import Simulation, Spread
    from ringtide_engine.workflows.simulate import Question


def _share(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a percentage such as `5%`."""
    from ringtide_contract.errors import InputError
    from ringtide_engine.load.units import share

    try:
        return None if value is None else float(share()(value))
    except InputError as error:
        raise click.BadParameter(str(error), param=parameter) from error


def _span(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a duration such as `6h`, as seconds."""
    from ringtide_contract.errors import InputError
    from ringtide_engine.load.units import positive_duration

    try:
        return None if value is None else positive_duration(value).total_seconds()
    except InputError as error:
        raise click.BadParameter(str(error), param=parameter) from error


_OPTIONS = (
    click.option("--fails", metavar="SHARE", callback=_share, help="Chance that the faulty candidate fails hard on a device; 5% if nothing is said."),
    click.option("--factor", type=click.FloatRange(1, 1_000_000), help="Requests that it fails, as a multiple of those that any release fails."),
    click.option("--only", metavar="WHOM", help="Whom the fault can hurt: a stratum, or label=value."),
    click.option("--connectivity", type=click.Choice(["always", "intermittent", "diurnal", "long-offline"]), default="intermittent", show_default=True, help="How devices come and go."),
    click.option("--offline", metavar="SHARE", callback=_share, help="Share of devices offline at any time; 10% if nothing is said."),
    click.option("--offline-for", metavar="DURATION", callback=_span, help="Mean time offline; 6h where intermittent, 7d where long-offline."),
    click.option("--churn", metavar="SHARE", callback=_share, default="0%", show_default=True, help="Share of devices that go dark for good in a week."),
    click.option("--requests", type=click.FloatRange(1, 10_000), default=600, show_default=True, help="Requests of a device in an hour, on average."),
    click.option("--errors", metavar="SHARE", callback=_share, default="0.01%", show_default=True, help="Share of requests that fail with any release."),
    click.option("--slow", metavar="SHARE", callback=_share, default="0.1%", show_default=True, help="Share of requests over the latency budget with any release."),
    click.option("--spontaneous", metavar="SHARE", callback=_share, default="0.1%", show_default=True, help="Chance that a device fails hard on any release."),
    click.option("--runs", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Runs of each candidate."),
    click.option("--days", type=click.IntRange(1, 366), default=21, show_default=True, help="Days to simulate."),
    click.option("--seed", type=click.IntRange(0, 2**53 - 1), default=1, show_default=True, help="The same seed gives the same answers."),
)  # fmt: skip


def _asked() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(_OPTIONS):
            command = option(command)
        return command

    return add


@click.command("simulate")
@click.argument("rollout", shell_complete=names.rollouts)
@fleet_option()
@_asked()
@click.option("--at", metavar="INSTANT", help="When it starts, such as 2026-11-23T09:00:00Z; now if nothing is said.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write adoption.svg and harmed.svg there, too.",
)
@rendering.output_option("table", "json")
def simulate_command(
    rollout: str, fleet: Path, at: str | None, plots: Path | None, output: rendering.Output, **asked: Any
) -> int:
    """Say what ROLLOUT would do to this fleet: how fast it spreads, and how much harm a bad candidate does.

    Takes the desired state as it lies in the work tree and plays the rollout in virtual time with the real rings,
    windows and gates, many times with a sound candidate and many times with a faulty one. Contacts nobody, and changes
    nothing. Rings that ask for an approval are taken to get it at once.
    """
    from ringtide_contract.ids import parse_instant
    from ringtide_engine.load.desired import load_desired
    from ringtide_engine.model.finding import FindingsError
    from ringtide_engine.workflows.simulate import simulate

    question = _question(**asked)
    now = wiring.clock().now() if at is None else parse_instant(at)
    loaded = load_desired(wiring.fleet_repository(fleet).worktree_files())
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    found = simulate(loaded.state, rollout, question, now=now, tell=_tell if rendering.coloured(sys.stderr) else None)
    if plots is not None:
        from ringtide_engine.cli.work_tree import write_file
        from ringtide_engine.simulate.plots import adoption_plot, harmed_plot

        write_file(plots / "adoption.svg", adoption_plot(found).encode())
        write_file(plots / "harmed.svg", harmed_plot(found).encode())
    if output == "json":
        rendering.write(found.to_dict(), "json")
    else:
        _show(found)
    return OK


def _question(
    fails: float | None,
    factor: float | None,
    only: str | None,
    connectivity: str,
    offline: float | None,
    offline_for: float | None,
    runs: int,
    days: int,
    seed: int,
    **assumed: float,
) -> "Question":
    from ringtide_engine.simulate.assumptions import SPELLS, Assumptions, Fault
    from ringtide_engine.workflows.simulate import Question

    if connectivity == "always" and (offline or offline_for):
        raise click.UsageError(
            "devices that are always online are never offline: leave out --offline and --offline-for"
        )
    if connectivity == "diurnal" and offline_for:
        raise click.UsageError("diurnal devices follow the clock: leave out --offline-for")
    if fails is None and factor is None:
        fails = 0.05
    if not fails and factor in (None, 1):
        raise click.UsageError("a faulty candidate needs --fails above 0%, or --factor above 1")
    default = Assumptions()
    return Question(
        fault=Fault(fails=fails or 0.0, factor=factor or 1.0, only=only),
        assumed=Assumptions(
            connectivity=connectivity,  # type: ignore[arg-type]  # the option offers no other
            offline=0.0 if connectivity == "always" else default.offline if offline is None else offline,
            spell_s=offline_for or SPELLS.get(connectivity, default.spell_s),
            **assumed,
        ),
        runs=runs,
        days=days,
        seed=seed,
    )


def _tell(done: int, of: int) -> None:
    click.echo(f"\r{done} of {of} runs", err=True, nl=done == of)


def _show(found: "Simulation") -> None:
    sound, faulty = found.sound, found.faulty
    click.echo(
        f"{found.rollout}: {found.model} {found.candidate} on {found.devices} devices, ring plan {found.ring_plan}"
    )
    click.echo(
        f"{found.days} days from {found.now:%Y-%m-%d %H:%M} UTC, {len(sound.runs)} {'run' if len(sound.runs) == 1 else 'runs'} of each, seed {found.seed}\n"
    )
    click.echo("if nothing is wrong with it:")
    rows = [(f"{share:.0%} of devices run it after", *_times(sound.adopted(share))) for share in (0.8, 0.95)]
    rows += [(f"ring {name} opens after", *_times(each)) for name, each in sound.opened().items()]
    rows += [("bytes in the busiest hour", *_sizes(sound.peaks))]
    rendering.write_table(("", "10 % of runs", "median", "90 %"), rows)
    click.echo(f"completed in {_chance(sound, 'completed')}, under way in {_chance(sound, 'rolling')}")
    click.echo(f"stopped by mistake in {_chance(sound, 'rolledBack')}\n")
    click.echo("if it is faulty:")
    rows = [
        ("devices that see it", *_counts(faulty.harmed)),
        ("devices that run it", *_counts(faulty.exposed)),
        ("rolled back after", *_times(faulty.stopped_s)),
    ]
    rendering.write_table(("", "10 % of runs", "median", "90 %"), rows)
    click.echo(f"completed by mistake in {_chance(faulty, 'completed')}, under way in {_chance(faulty, 'rolling')}\n")
    click.echo(found.sentence)


def _chance(outcome: Any, phase: str) -> str:
    chance = outcome.ended(phase)
    low, high = chance.between
    return f"{chance.runs} of {chance.of} runs ({low:.1%} to {high:.1%})"


def _times(each: "Spread") -> tuple[str, str, str]:
    low, median, high = (_duration(value) for value in (each.low, each.median, each.high))
    return low, median, high


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "not reached"
    days, rest = divmod(seconds, 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    parts = [f"{amount}{unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if amount]
    return " ".join(parts) or "0m"


def _sizes(each: "Spread") -> tuple[str, str, str]:
    from ringtide_engine.render.quantities import readable_bytes

    low, median, high = (readable_bytes(value or 0) for value in (each.low, each.median, each.high))
    return low, median, high


def _counts(each: "Spread") -> tuple[str, str, str]:
    return str(each.low), str(each.median), str(each.high)
