"""A fake GitHub, and `ringtide github` called as a workflow calls it."""

from collections.abc import Iterator

import pytest

from fakes.github_api import FakeGitHub, serving

TOKEN = "ghs_0123456789abcdef"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as fake:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example.org")
        monkeypatch.setenv("GITHUB_REPOSITORY", fake.repository)
        monkeypatch.setenv("GITHUB_RUN_ID", "41")
        yield fake
