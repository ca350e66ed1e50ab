"""Dangers that the files alone show, whether or not they can be resolved."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ringtide_engine.compile.words import count
from ringtide_engine.model.dangers import Danger, danger
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan_report import LARGE_PART

FEW = 3
"""Where fewer files go, a folder that keeps others lost no large part of itself."""

_COMES_AND_GOES = ("rollouts", "waivers")
"""Folders whose last file is removed in a day's work."""

_WATCHED = (
    "cohorts",
    "devices",
    "hardware",
    "models",
    "placements",
    "policies",
    "rings",
    "rollouts",
    "trust",
    "waivers",
)


def file_dangers(base: Mapping[str, bytes], head: Mapping[str, bytes]) -> Iterator[Danger]:
    """Yield what the paths and bytes of a change show."""
    yield from _trust(base, head)
    yield from _removed(base, head)


def _trust(base: Mapping[str, bytes], head: Mapping[str, bytes]) -> Iterator[Danger]:
    paths = {path for path in (*base, *head) if path.startswith("trust/")}
    if not any(path in base for path in paths):
        return  # the first trust root of a fleet replaces nothing
    for path in sorted(path for path in paths if base.get(path) != head.get(path)):
        how = "is removed" if path not in head else "is changed" if path in base else "is added"
        yield danger("RT-DANGER-001", Place(path=path), f"{path} {how}")


def _removed(base: Mapping[str, bytes], head: Mapping[str, bytes]) -> Iterator[Danger]:
    had: dict[str, int] = defaultdict(int)
    gone: dict[str, list[str]] = defaultdict(list)
    left: dict[str, int] = defaultdict(int)
    for path in base:
        for folder in _folders(path):
            had[folder] += 1
            if path not in head:
                gone[folder].append(path)
    for path in head:
        for folder in _folders(path):
            left[folder] += 1
    whole = {folder for folder in gone if not left[folder] and not _usual(folder, len(gone[folder]))}
    for folder in sorted(gone):
        parts = sorted(gone[folder])
        if folder in whole:
            if folder.rpartition("/")[0] not in whole:
                message = f"the folder {folder}/ is removed with {count(len(parts), 'file')}"
                yield danger("RT-DANGER-009", Place(path=parts[0]), message)
        elif left[folder] and len(parts) >= FEW and len(parts) > LARGE_PART * had[folder] and "/" not in folder:
            message = f"{len(parts)} of {count(had[folder], 'file')} in {folder}/ are removed"
            yield danger("RT-DANGER-009", Place(path=parts[0]), message)


def _usual(folder: str, files: int) -> bool:
    return folder in _COMES_AND_GOES and files < FEW


def _folders(path: str) -> Iterator[str]:
    """Yield the folders of a path that are watched: the kind's own, and a model's."""
    parts = path.split("/")
    if len(parts) > 1 and parts[0] in _WATCHED:
        yield parts[0]
        if len(parts) > 2 and parts[0] in ("models", "policies"):
            yield "/".join(parts[:2])
