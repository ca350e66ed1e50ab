"""Renovate finds in the example what it is configured to keep current; its expressions are RE2, which knows no look-around."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "fleet-repo-template"
MANAGERS: list[dict[str, Any]] = json.loads((TEMPLATE / "renovate.json").read_text())["customManagers"]
RELEASES, RINGTIDE = MANAGERS
DIGEST = "sha256:" + "5" * 64


def found(manager: dict[str, Any], path: str, text: str) -> list[dict[str, str | None]]:
    """Return what a manager captures in a file, as Renovate does."""
    if not any(re.search(each.strip("/"), path) for each in manager["managerFilePatterns"]):
        return []
    expressions = [each.replace("(?<", "(?P<") for each in manager["matchStrings"]]
    return [match.groupdict() for each in expressions for match in re.finditer(each, text)]


def test_no_expression_needs_what_re2_lacks() -> None:
    for manager in MANAGERS:
        for expression in (*manager["matchStrings"], *manager["managerFilePatterns"]):
            assert not re.search(r"\(\?(?:[=!]|<[=!])|\\[1-9]", expression)


def test_the_ringtide_of_every_workflow_is_found_and_is_this_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for path in TEMPLATE.glob(".github/workflows/*.yml"):
        text = path.read_text()
        captured = found(RINGTIDE, path.relative_to(TEMPLATE).as_posix(), text)
        assert [each["currentValue"] for each in captured] == [version] * text.count("ringtide[engine]")
        assert captured


@pytest.mark.parametrize(
    ("line", "digest"), [('release: "1.0.0"', None), (f'release: "1.0.0" # {DIGEST}', DIGEST)], ids=["version", "both"]
)
def test_a_placement_with_the_comment_gives_version_and_digest(line: str, digest: str | None) -> None:
    path = "placements/digits.yaml"
    text = (TEMPLATE / path).read_text()
    assert found(RELEASES, path, text) == []
    comment = "# renovate: datasource=docker depName=registry.example.org/models/digits"
    placed = text.replace("release: null", f"{comment}\n{line}")
    assert placed != text
    assert found(RELEASES, path, placed) == [
        {
            "datasource": "docker",
            "depName": "registry.example.org/models/digits",
            "versioning": None,
            "currentValue": "1.0.0",
            "currentDigest": digest,
        }
    ]


def test_a_rollout_is_found_and_a_release_is_left_alone() -> None:
    comment = "# renovate: datasource=docker depName=models/digits versioning=semver"
    (captured,) = found(RELEASES, "rollouts/digits-1.1.0.yaml", f'{comment}\ncandidate: "1.1.0"\n')
    assert (captured["currentValue"], captured["versioning"]) == ("1.1.0", "semver")
    assert found(RELEASES, "models/digits/1.0.0.yaml", f'{comment}\nrelease: "1.0.0"\n') == []
