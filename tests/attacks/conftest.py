"""A small fleet for every attack: made once, and put back as it was, at the same place, before each test."""

import shutil
from pathlib import Path

import pytest

from fakes.small_fleet import SmallFleet, small_fleet


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("small-fleet")
    small_fleet(folder / "fleet")
    shutil.copytree(folder / "fleet", folder / "untouched")
    return folder / "fleet", folder / "untouched"


@pytest.fixture
def fleet(_made: tuple[Path, Path]) -> SmallFleet:
    """Return the fleet; its addresses are absolute, so it always lies where it was made."""
    folder, untouched = _made
    shutil.rmtree(folder)
    shutil.copytree(untouched, folder)
    return SmallFleet(folder=folder)
