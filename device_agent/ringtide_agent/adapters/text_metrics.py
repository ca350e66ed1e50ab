"""Figures of the device as a text file, for the textfile collector of node_exporter."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from ringtide_agent import __version__
from ringtide_agent.reporting import Observation
from ringtide_contract.errors import TransientError
from ringtide_contract.report import ModelReport, Phase

GAP_S = 15
"""Seconds between two writings; scrapes are rarely closer."""

_HELP = {
    "info": ("gauge", "Version of the agent, fleet and device; always 1."),
    "written_timestamp_seconds": ("gauge", "When this file was written, by the device's clock."),
    "serving": ("gauge", "1 where everything that shall serve does."),
    "epoch": ("gauge", "Epoch of the publication in force."),
    "generation": ("gauge", "Generation of the publication in force."),
    "condition": ("gauge", "1 for each condition that holds."),
    "reports_waiting": ("gauge", "Reports in the outbox."),
    "report_number": ("counter", "Number of the last report."),
    "model_phase": ("gauge", "1 for the phase that the model is in."),
    "model_info": ("gauge", "Release and variant that serve; always 1."),
    "requests_total": ("counter", "Inference requests answered by the release that serves, since the agent's start."),
    "failures_total": ("counter", "Of these, the ones that ended in an error of ours."),
    "crashes_total": ("counter", "Ends of the worker that nobody asked for."),
    "peak_memory_bytes": ("gauge", "Most resident memory of the worker."),
}


class TextMetrics:
    """One file, replaced whole."""

    def __init__(self, path: Path, fleet: str, device: str) -> None:
        """Write to `path` as this device."""
        self._path, self._names = path, {"version": __version__, "fleet": fleet, "device": device}
        self._due_s = 0.0

    def is_due(self, now_s: float) -> bool:
        """Tell, by a clock that nobody sets, whether to write again; `True` begins the next wait."""
        if now_s < self._due_s:
            return False
        self._due_s = now_s + GAP_S
        return True

    def write(self, seen: Observation, *, serving: bool, number: int, waiting: int, now_s: float) -> None:
        """Replace the file.

        Raises:
            TransientError: The disk does not take it.
        """
        lines = [*_rows(seen, self._names, serving=serving, number=number, waiting=waiting, now_s=now_s)]
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write("\n".join([*_with_help(lines), ""]))
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(self._path)
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}") from error


def _rows(
    seen: Observation, names: dict[str, str], *, serving: bool, number: int, waiting: int, now_s: float
) -> Iterator[tuple[str, dict[str, str], float]]:
    yield "info", names, 1
    yield "written_timestamp_seconds", {}, round(now_s)
    yield "serving", {}, int(serving)
    if seen.orders is not None:
        yield "epoch", {}, seen.orders.floor.epoch
        yield "generation", {}, seen.orders.floor.generation
    for condition in seen.conditions:
        yield "condition", {"type": condition.type}, 1
    yield "reports_waiting", {}, waiting
    yield "report_number", {}, number
    for model, part in sorted(seen.models.items()):
        for phase in get_args(Phase):
            yield "model_phase", {"model": model, "phase": phase}, int(part.phase == phase)
        yield from _active(model, part)


def _active(model: str, part: ModelReport) -> Iterator[tuple[str, dict[str, str], float]]:
    if part.active is None:
        return
    active = part.active
    mine = [counters for counters in part.counters if counters.manifest == active.manifest]
    yield "model_info", {"model": model, "release": active.release, "variant": active.variant}, 1
    named = {"model": model, "release": active.release}
    yield "requests_total", named, sum(counters.requests for counters in mine)
    yield "failures_total", named, sum(counters.failures for counters in mine)
    yield "crashes_total", named, sum(counters.crashes for counters in mine)
    yield "peak_memory_bytes", named, max((counters.peak_memory_bytes for counters in mine), default=0)


def _with_help(rows: list[tuple[str, dict[str, str], float]]) -> Iterator[str]:
    for name, (kind, words) in _HELP.items():
        mine = [(labels, value) for row, labels, value in rows if row == name]
        if mine:
            yield f"# HELP ringtide_agent_{name} {words}"
            yield f"# TYPE ringtide_agent_{name} {kind}"
        for labels, value in mine:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"ringtide_agent_{name}{f'{{{inside}}}' if inside else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
