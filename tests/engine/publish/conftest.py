"""One published fleet for the session; every test works on a copy."""

from pathlib import Path

import pytest

from fakes.published_fleet import PublishedFleet, published_fleet


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> PublishedFleet:
    """Return the published fleet that copies are made of."""
    return published_fleet(tmp_path_factory.mktemp("original"))


@pytest.fixture
def fleet(original: PublishedFleet, tmp_path: Path) -> PublishedFleet:
    """Return a published fleet."""
    return original.copy(tmp_path)
