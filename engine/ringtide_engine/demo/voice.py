"""How the story sounds: rich text on a terminal, plain lines elsewhere."""

import re
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ringtide_engine.demo.outcome import DemoOutcome
from ringtide_engine.model.plan import Plan

_PASSED = re.compile(r": gate (\w+): pass\b")
"""How a verdict words a gate that passed."""


class Voice:
    """Tells what happens, as it happens."""

    def __init__(self, console: Console) -> None:
        """Speak to a console."""
        self._console = console
        self._started = time.monotonic()

    def scene(self, title: str) -> None:
        """Open a scene."""
        self._console.print()
        self._console.rule(f"[bold]{escape(title)}[/bold]", align="left")

    def say(self, text: str) -> None:
        """Say what happened."""
        self._console.print(f"{self._clock()}  {escape(text)}", soft_wrap=True)

    def verdict(self, title: str, reasons: Sequence[str]) -> None:
        """Say what the judge decided and why; gates that passed in a word, since Git has their figures."""
        kind = title.split()[0]
        colour = {"Roll": "bold red", "Hold": "yellow"}.get(kind, "bold green")
        self._console.print(f"{self._clock()}  [{colour}]{escape(title)}[/{colour}]", soft_wrap=True)
        passed = [match[1] for reason in reasons if (match := _PASSED.search(reason))]
        told = [reason for reason in reasons if not _PASSED.search(reason)]
        for reason in told[:1] if kind == "Hold" else told:
            self._console.print(f"        [dim]-[/dim] {escape(reason)}", soft_wrap=True)
        if passed and kind != "Hold":
            self._console.print(f"        [dim]-[/dim] gates passed: {', '.join(passed)}", soft_wrap=True)

    def plan(self, plan: Plan) -> None:
        """Show a plan as the reviewer sees it."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("cause", "ring", "from", "to", "now", "later", "to fetch"):
            table.add_column(title, justify="right" if title in ("now", "later", "to fetch") else "left")
        for row in plan.rows:
            table.add_row(
                row.cause, row.ring or "-", row.before or "-", row.after or "-", str(row.now), str(row.later),
                f"{row.fetch_bytes / 1024:.0f} KiB",
            )  # fmt: skip
        self._console.print(table)
        self._console.print(f"        plan digest {plan.digest}", soft_wrap=True)

    def _clock(self) -> str:
        return f"[dim]{time.monotonic() - self._started:5.0f}s[/dim]"

    def ending(self, outcome: DemoOutcome, commands: Sequence[str]) -> None:
        """Show how it ended."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        releases = sorted({release for device in outcome.devices for release in device.accuracy})
        for title in ("device", "runs", "variant", "phase", *(f"right with {release}" for release in releases)):
            table.add_column(title, justify="right" if title.startswith("right") else "left")
        for device in outcome.devices:
            shares = [device.accuracy.get(release) for release in releases]
            table.add_row(
                device.id,
                device.release or "-",
                device.variant or "-",
                device.phase,
                *("never served" if share is None else f"{share:.1%}" for share in shares),
            )
        self._console.print(table)
        self._console.print()
        self.say(
            f"{outcome.bad} reached {len(outcome.exposed)} of {len(outcome.devices)} devices: "
            f"{', '.join(outcome.exposed) or 'none'}. Quarantined: {', '.join(outcome.quarantined) or 'nothing'}."
        )
        self.say(
            f"{outcome.reports_accepted} signed reports accepted, {outcome.reports_refused} refused; "
            f"{outcome.generations} generations published, the last one verified for every device."
        )
        if commands:
            self._console.print()
            self._console.print("Git shows all of it:")
            for command in commands:
                self._console.print(f"  {escape(command)}", soft_wrap=True)
