"""What every test shares: no telemetry, derandomised properties, and the deliberate flag that rewrites goldens."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by onnxruntime when it is imported, so it is set before any test is

import pytest
from hypothesis import settings

# The same examples in every run and no clock: a shared machine makes any deadline a coin toss.
settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--update-goldens`."""
    parser.addoption("--update-goldens", action="store_true", help="rewrite golden vectors and generated pages")


@pytest.fixture(scope="session")
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Tell whether committed goldens are to be rewritten from what the program makes now."""
    return bool(request.config.getoption("--update-goldens"))
