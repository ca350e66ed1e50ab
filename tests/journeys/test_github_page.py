"""The page on GitHub, from an empty folder: its commands, then the workflow that its reader starts by hand."""

import re
import subprocess
from pathlib import Path

import pytest

from fakes.act_runner import ROOT, ActRunner, needs_act
from fakes.github_api import FakeGitHub, serving
from fakes.shell_page import run_blocks, shell_blocks

PAGE = ROOT / "docs" / "github.md"
WORKFLOWS = ROOT / "fleet-repo-template/.github"

pytestmark = pytest.mark.journey


def test_the_page_names_every_secret_and_variable_that_the_workflows_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS.rglob("*.yml"))
    read = set(re.findall(r"(?:secrets|vars)\.(RINGTIDE_\w+)", text))
    assert read == set(re.findall(r"RINGTIDE_\w+", page))


@needs_act
def test_the_page_leads_from_an_empty_folder_to_the_first_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "operator")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "operator@example.org")
    said = run_blocks(shell_blocks(PAGE), tmp_path, cwd=tmp_path)
    digest = re.findall(r"^plan digest: ([0-9a-f]{64})$", said, re.MULTILINE)[-1]

    origin = tmp_path / "origin.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(tmp_path / "fleet"), str(origin)], check=True, timeout=60)
    custodies = {"statement": "statement", "release": "tuf", "snapshot": "tuf", "timestamp": "tuf"}
    folder = tmp_path / "github"
    folder.mkdir()
    with serving(FakeGitHub()) as github:
        runner = ActRunner(folder=folder, api=github.url, origin=str(origin))
        for key, custody in custodies.items():
            pem = (tmp_path / "keys" / custody / f"{key}.pem").read_text()
            runner.secrets[f"RINGTIDE_{key.upper()}_KEY"] = pem
        done = runner.run(tmp_path / "fleet", "publish.yml", "workflow_dispatch", {"inputs": {"plan": digest}})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    assert "published generation 1" in done.stdout
