"""Changes of small fleets, and the report that a reviewer would read of them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.plan_report import PlanReport
from ringtide_engine.workflows.plan import plan_report

NOW = datetime(2026, 11, 23, 9, 30, 12, tzinfo=UTC)
"""A Monday."""
PLACED, ROLLED, RINGS = "placements/digits-everywhere.yaml", "rollouts/digits-1.1.0.yaml", "rings/standard.yaml"
OLD, NEW = "models/digits/1.0.0.yaml", "models/digits/1.1.0.yaml"
FIRST = "devices/edge-s-0001.yaml"
ENGINE = CelConditions()


def report_of(base: Mapping[str, bytes] | None, head: Mapping[str, bytes], now: datetime = NOW) -> PlanReport:
    return plan_report(base, head, now=now, engine=ENGINE)


def edited(files: Mapping[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    assert old.encode() in files[path], f"{path} has no {old!r}"
    return {**files, path: files[path].replace(old.encode(), new.encode())}


def without(files: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if not path.startswith(prefix)}


def rolling(devices: int = 12) -> dict[str, bytes]:
    return fleet_files(devices, rollout="1.1.0")
