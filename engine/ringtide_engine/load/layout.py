"""Which kind of document lies where in a fleet repository."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.rules import finding

FOLDERS = {
    "hardware": "HardwareClass",
    "cohorts": "Cohort",
    "rings": "RingPlan",
    "placements": "Placement",
    "rollouts": "Rollout",
    "waivers": "Waiver",
    "progress": "Progress",
    "quarantine": "QuarantineEntry",
}
"""Folders whose files lie directly in them."""

OTHER_FOLDERS = ("devices", "models", "policies")
"""Folders with a layout of their own."""

Kind = Literal["lines"] | str
"""A document kind, or `lines` for a device inventory in JSON Lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """What a file is, by its path."""

    kind: Kind
    """Kind of document that belongs there."""
    name: str | None
    """Name that the document must have; None where the path does not say."""


def spot(path: str) -> Spot | Finding | None:
    """Tell what belongs at `path`: a document, nothing that ringtide reads (None), or a mistake."""
    parts = path.split("/")
    top, last = parts[0], parts[-1]
    if path == "fleet.yaml":
        return Spot(kind="Fleet", name=None)
    if not last.endswith((".yaml", ".yml", ".jsonl")) or any(part.startswith(".") for part in parts):
        return None
    place = Place(path=path)
    if len(parts) == 1:
        return _unknown_name(place, path, ("fleet.yaml",), "the top folder holds fleet.yaml only")
    if top not in (*FOLDERS, *OTHER_FOLDERS):
        meant = get_close_matches(top, (*FOLDERS, *OTHER_FOLDERS), n=1, cutoff=0.75)
        return _unknown_name(place, top, tuple(meant), f"ringtide reads no folder {top}/") if meant else None
    if top == "policies" and len(parts) > 3 and parts[2] == "samples":
        return None
    if last.endswith(".yml"):
        return finding("RT-FILE-001", place, "ringtide reads .yaml, not .yml", f"Rename it to {last[:-4]}.yaml.")
    name = last.removesuffix(".yaml")
    if top == "devices":
        return Spot(kind="lines" if last.endswith(".jsonl") else "Device", name=None)
    if last.endswith(".jsonl"):
        return finding("RT-FILE-001", place, "JSON Lines hold devices only", "Move it into devices/.")
    if top == "models" and len(parts) == 3:
        return Spot(kind="Release", name=f"{parts[1]}/{name}")
    if top == "policies" and len(parts) == 3 and last in ("rule.yaml", "suite.yaml"):
        return Spot(kind="Rule" if last == "rule.yaml" else "RuleSuite", name=parts[1])
    if len(parts) == 2 and top != "models":
        return Spot(kind=FOLDERS.get(top, "PolicySet"), name=name)
    said = "releases lie at models/<model>/<version>.yaml" if top == "models" else f"nothing reads it within {top}/"
    return finding("RT-FILE-001", place, said)


def _unknown_name(place: Place, name: str, known: tuple[str, ...], message: str) -> Finding:
    meant = get_close_matches(name, known, n=1, cutoff=0.7)
    fix = f"Did you mean {meant[0]}?" if meant else None
    return finding("RT-FILE-002", place, message, fix)
